"""docs/reference/api-shapes.md is what a run answers, and what the OpenAPI document says."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from jsonschema import Draft4Validator, FormatChecker
from pytest_django import DjangoDbBlocker

from ledger.terms import terms
from tests.acceptance.exchanges import Exchange, read_page
from tests.acceptance.shapes import REWRITE
from tests.acceptance.test_permissions import routes
from tests.acceptance.tour import Tour
from tests.callers import call
from tests.databases import Database

PAGE = Path(settings.BASE_DIR) / "docs" / "reference" / "api-shapes.md"
HEAD = """# What the API answers

One executed example of each answer. Ids, times, keys and links are those of one run;
`tests/acceptance/test_api_shapes.py` runs the same tour and compares names, types, status and
codes with this page and with `/api/schema/`. `python -m tests.acceptance.shapes` writes it anew.
"""
Examples = dict[str, list[Exchange]]


@pytest.fixture(scope="module")
def examples(shared_database: Database, django_db_blocker: DjangoDbBlocker) -> Examples:
    """Return the examples of a run; with REWRITE set, the page is written from them."""
    del shared_database
    with pytest.MonkeyPatch.context() as patch, django_db_blocker.unblock():
        patch.setattr(settings, "AMQP_URL", "")
        patch.setattr(settings, "CLEARING_SECONDS", 0.0)  # the tour does not wait a week
        terms.cache_clear()
        found = Tour().walk()
    terms.cache_clear()
    if os.environ.get(REWRITE):
        PAGE.write_text(page(found))
    return found


def page(examples: Examples) -> str:
    groups = [
        f"## {name}\n\n" + "\n".join(one.render() for one in found)
        for name, found in examples.items()
    ]
    return "\n".join([HEAD, *groups])


def shown(examples: Examples) -> list[Exchange]:
    return [one for found in examples.values() for one in found]


def test_the_page_shows_what_a_run_answers(examples: Examples) -> None:
    printed = list(read_page(PAGE.read_text()))

    assert [one.title for one in printed] == [one.title for one in shown(examples)]
    for old, new in zip(printed, shown(examples), strict=True):
        assert old.shape == new.shape


def test_what_is_printed_is_read_back(examples: Examples) -> None:
    assert list(read_page(page(examples))) == shown(examples)


def test_every_method_of_every_path_is_shown(examples: Examples) -> None:
    """One spelling of a path is enough; the page's own files are no answers."""
    there = {(one.route.rstrip("/"), one.method) for one in shown(examples) if one.status < 400}
    wanted = {
        (route.path.rstrip("/"), route.method)
        for route in routes()
        if route.method != "any" and not route.path.startswith("/api/docs/<")
    }
    optional = {("/api/webhooks/<str:kind>/<str:action>", "PATCH")}
    assert wanted - there - optional == set()
    assert {("/files/<str:token>", method) for method in ("GET", "POST", "PUT")} <= there


def test_every_answer_is_what_the_schema_says(examples: Examples) -> None:
    document = closed(call("GET", "/api/schema/").json())
    paths = {re.sub(r"\{\w+\}", "{}", path): found for path, found in document["paths"].items()}
    checked, wrong = 0, []
    for one in shown(examples):
        found = paths.get(re.sub(r"<\w+:\w+>", "{}", one.route), {}).get(one.method.lower())
        if found is None:
            assert one.status == 405 or re.match(
                r"/(\w+z|metrics|files|api/schema|api/docs)\b", one.route
            )
            continue
        told = found["responses"]
        answer = told.get(str(one.status)) or (one.status >= 400 and told["default"])
        assert answer, (one.title, one.status, sorted(told))
        found_wrong = faults(document, answer.get("content"), one.answer, one.title)
        if "fields=" in one.path:  # those that were not asked for are missing
            found_wrong = [fault for fault in found_wrong if "required property" not in fault]
        wrong += found_wrong
        if one.status < 400 and isinstance(one.sent, dict):
            wrong += faults(document, found["requestBody"]["content"], one.sent, one.title)
        checked += 1

    assert "\n".join(wrong) == ""
    assert checked > 50


def faults(document: Any, content: Any, value: Any, title: str) -> list[str]:
    """Return where a JSON value has not the schema's form; no content means no value."""
    if content is None:
        return [] if value is None else [f"{title}: unexpected content"]
    schema = content["application/json"]["schema"] | {"components": document["components"]}
    errors = Draft4Validator(schema, format_checker=FormatChecker()).iter_errors(value)
    return [f"{title}: {list(error.path)}: {error.message}" for error in errors]


def closed(schema: Any) -> Any:
    """Return OpenAPI 3.0 as JSON Schema: `nullable` spelt out, and no field but the stated ones."""
    if isinstance(schema, list):
        return [closed(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: closed(inner) for name, inner in schema.items()}
    if found.get("type") == "object" and found.get("properties"):
        found.setdefault("additionalProperties", False)
    if found.pop("nullable", None) is True:
        return {"anyOf": [{"enum": [None]}, found]}
    return found
