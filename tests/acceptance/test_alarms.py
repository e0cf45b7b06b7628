"""docs/how-to/alarms.md and docs/reference/metrics.md name what is there, and nothing else."""

import ast
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import LazySettings
from django.core.management import load_command_class
from prometheus_client.parser import text_string_to_metric_families

from projections.catalogue import BY_NAME
from tests.callers import call

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "how-to" / "alarms.md").read_text()
FIGURES = (ROOT / "docs" / "reference" / "metrics.md").read_text()
PACKAGES = ("core", "ledger", "projections", "consumers", "api", "audit")
APPS = {
    "deadletters": "consumers", "health": "consumers", "ledger": "audit", "maintenance": "api",
    "projections": "projections", "timers": "consumers",
}  # fmt: skip
COMMANDS = re.findall(r"^\$ (.*)$", PAGE, re.MULTILINE)
BLOCKS = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
RULES: list[dict[str, Any]] = [
    rule for block in BLOCKS for group in block.get("groups", ()) for rule in group["rules"]
]


def raised() -> set[str]:
    """Return the events that the code logs as alarms."""
    calls = [
        node
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and any(one.arg == "alarm" for one in node.keywords)
    ]
    return {ast.literal_eval(node.args[0]) for node in calls}


def test_every_alarm_of_the_log_is_on_the_page_and_no_other() -> None:
    listed = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert len(listed) == len(set(listed))
    assert set(listed) == raised()


def test_every_rule_has_its_heading_and_no_other() -> None:
    (part,) = re.findall(r"## Alarms of Prometheus\n(.*?)\n## ", PAGE, re.DOTALL)
    assert re.findall(r"^### (\w+)$", part, re.MULTILINE) == [rule["alert"] for rule in RULES]


@pytest.fixture
def families(database: object, settings: LazySettings) -> dict[str, Any]:
    """Return what an empty system shows, by the name of the family."""
    del database
    settings.AMQP_URL = ""
    text = call("GET", "/metrics").content.decode()
    return {one.name: one for one in text_string_to_metric_families(text)}


def test_every_figure_is_on_its_page_with_its_labels(families: dict[str, Any]) -> None:
    listed = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", FIGURES, re.MULTILINE))
    shown = {
        f"{one.name}_total" if one.type == "counter" else one.name: one for one in families.values()
    }
    assert listed.keys() == shown.keys()
    for name, family in shown.items():
        labels = {label for sample in family.samples for label in sample.labels}
        assert labels <= set(re.findall(r"`(\w+)`", listed[name])), name


def test_the_rules_are_about_figures_and_labels_that_are_shown(families: dict[str, Any]) -> None:
    known = {sample.name for family in families.values() for sample in family.samples}
    known |= {f"{one.name}_total" for one in families.values() if one.type == "counter"}
    for rule in RULES:
        text = rule["expr"]
        assert set(re.findall(r"\b(ledger_\w+)", text)) <= known, rule["alert"]
        assert [text.count(one) for one in "({["] == [text.count(one) for one in ")}]"]
        for name, selected in re.findall(r"\b(ledger_\w+)\{(.*?)\}", text):
            (listed,) = re.findall(rf"^\| `{name}` \| (.*?) \|", FIGURES, re.MULTILINE)
            for label, values in re.findall(r'(\w+)=~?"(.*?)"', selected):
                assert f"`{label}`" in listed, (rule["alert"], label)
                if label in ("kind", "status"):
                    shown = {
                        sample.labels[label]
                        for family in families.values()
                        for sample in family.samples
                        if sample.name == name
                    }
                    assert set(values.split("|")) <= shown, (rule["alert"], values)


def test_codes_that_a_rule_names_are_codes() -> None:
    source = "".join(path.read_text() for path in (ROOT / "ledger").rglob("*.py"))
    named = [one for rule in RULES for one in re.findall(r'code=~"(.*?)"', rule["expr"])]
    for code in "|".join(named).split("|"):
        assert f'code = "{code}"' in source


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_of_the_page_can_be_given(line: str) -> None:
    words = shlex.split(line)
    if words[:2] != ["python", "manage.py"]:
        assert words[0] == "rabbitmq-diagnostics"
        return
    _, _, name, *given = words
    parsed = load_command_class(APPS[name], name).create_parser("manage.py", name).parse_args(given)
    assert getattr(parsed, "rebuild", None) in (None, *BY_NAME)


def test_the_names_of_other_log_lines_are_the_codes() -> None:
    source = "".join(
        path.read_text() for package in PACKAGES for path in (ROOT / package).rglob("*.py")
    )
    for event in (
        "append_failed", "broker_not_watched", "relay_waits", "result_not_looked_up", "task_ended",
        "timers_wait",
    ):  # fmt: skip
        assert f"`{event}`" in PAGE
        assert f'"{event}"' in source
