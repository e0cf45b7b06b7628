"""docker-compose.yml and the Dockerfile against the Procfile and the settings."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from consumers.health import CHECKS

REPOSITORY = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PROCFILE = dict(
    line.split(":", 1) for line in (REPOSITORY / "Procfile").read_text().splitlines() if line
)
OURS = {name for name, service in SERVICES.items() if "build" in service}
NOT_SETTINGS = {"WORKER_URL", "WORKER_ID"}  # the worker kit's own


def test_every_process_of_the_procfile_has_a_service_that_starts_it() -> None:
    for process in PROCFILE:
        assert SERVICES[process]["command"] == ["honcho", "start", process]
    assert set(PROCFILE) | {"migrate"} == OURS


def test_every_setting_that_is_set_exists() -> None:
    known = (REPOSITORY / "core" / "settings.py").read_text()
    for name in OURS:
        for setting in set(SERVICES[name]["environment"]) - NOT_SETTINGS:
            assert re.search(rf"\b{setting}\b", known), setting


def test_no_secret_has_a_default() -> None:
    text = (REPOSITORY / "docker-compose.yml").read_text()
    for variable in re.findall(r"\$\{([^}]*)\}", text):
        assert variable.endswith(":?"), f"{variable} has a default or may be empty"
    secrets = re.findall(r"(?:SECRET|PASSWORD|KEY|TOKEN)\w*: (.*)", text)
    assert secrets
    assert [value for value in secrets if not value.startswith("${") and value != "ledger"] == []


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"migrate"}))
def test_whatever_keeps_running_has_a_health_check(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"]


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_a_process_without_a_port_is_asked_for_its_work(name: str) -> None:
    test = SERVICES[name]["healthcheck"]["test"]
    assert test == ["CMD", "python", "manage.py", "health", name]


def test_the_lock_that_is_looked_at_is_the_workers() -> None:
    given = SERVICES["worker"]["environment"]
    folder = f"{given['STATE_DIR']}/workers/{given['WORKER_ID']}"
    assert f"{folder}/lock" in SERVICES["worker"]["healthcheck"]["test"][1]


@pytest.mark.parametrize("name", sorted(set(SERVICES) - OURS))
def test_foreign_images_are_pinned(name: str) -> None:
    assert not SERVICES[name]["image"].endswith(":latest")
    assert ":" in SERVICES[name]["image"]


def test_every_wait_is_for_a_service_that_can_satisfy_it() -> None:
    for service in SERVICES.values():
        for name, wait in service.get("depends_on", {}).items():
            assert name in SERVICES
            if wait["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[name]


def test_the_image_starts_every_process_but_the_worker() -> None:
    dockerfile = (REPOSITORY / "Dockerfile").read_text()
    (command,) = re.findall(r"^CMD \[(.*)\]$", dockerfile, re.MULTILINE)
    started = [word.strip(' "') for word in command.split(",")][2:]
    assert set(started) == set(PROCFILE) - {"worker"}
    assert "--require-hashes" in dockerfile
    assert re.search(r"^USER (?!root)", dockerfile, re.MULTILINE)
