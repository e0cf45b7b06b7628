"""README's exchange is run as it stands, and its answers are compared."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.system import REPOSITORY, System, free_port

EXCHANGE = re.compile(r"test_readme\.py -->\n```console\n(.*?)```", re.DOTALL)
VARYING = {"id", "created_at", "api_key", "request_id"}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with System(tmp_path_factory.mktemp("readme"), port=free_port()) as running:
        yield running


def exchanges() -> list[tuple[str, Any]]:
    """Return each command of README's exchange with the answer printed below it."""
    found = EXCHANGE.search((REPOSITORY / "README.md").read_text())
    assert found
    parts = re.split(r"^\$ ", found[1], flags=re.MULTILINE)[1:]
    pairs = [re.split(r"^(?=\{)", part, maxsplit=1, flags=re.MULTILINE) for part in parts]
    return [(command, json.loads(answer)) for command, answer in pairs]


def shape(answer: Any) -> Any:
    """Return `answer` with what differs from run to run blanked."""
    if isinstance(answer, dict):
        return {name: "..." if name in VARYING else shape(value) for name, value in answer.items()}
    return [shape(one) for one in answer] if isinstance(answer, list) else answer


def test_the_exchange_answers_as_printed(system: System) -> None:
    key = ""
    for command, printed in exchanges():
        done = subprocess.run(
            ["bash", "-c", command.replace("localhost:8000", system.url)],
            env=os.environ | {"API_KEY": key},
            capture_output=True,
            timeout=60,
            check=True,
        )
        answer = json.loads(done.stdout)
        assert shape(answer) == shape(printed)
        key = answer.get("api_key", key)


def test_every_place_that_readme_names_exists() -> None:
    readme = (REPOSITORY / "README.md").read_text()
    paths = re.findall(r"\]\(([\w./-]+)\)", readme) + re.findall(r"`((?:\w+/)+[\w.]*)`", readme)
    assert [path for path in paths if not Path(REPOSITORY, path).exists()] == []
