"""A test whose service is missing is skipped and named, and fails where nothing may be missing."""

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
REASON = "missing service: rabbitmq (AMQP_URL is not set)"
TESTS = """
import pytest

@pytest.mark.rabbitmq
def test_one(): pass

@pytest.mark.rabbitmq
def test_two(): pass

def test_three(): pass
"""
OWN_NODES = """
import pytest

@pytest.mark.rabbitmq(own_nodes=True)
def test_one(): pass
"""
NOT_INSTALLED = """
import demo.rabbitmq_nodes

demo.rabbitmq_nodes.program = lambda name: None
"""


def run(
    folder: Path, *arguments: str, tests: str = TESTS, before: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text(f"from tests.conftest import *\n{before}")
    (folder / "test_services.py").write_text(tests)
    unset = {"AMQP_URL", "CI", "SKIPS_FILE"}
    command = [sys.executable, "-m", "pytest", "-c", "pyproject.toml", f"--rootdir={REPOSITORY}"]
    return subprocess.run(
        [*command, *arguments, folder],
        cwd=REPOSITORY,
        env={name: value for name, value in os.environ.items() if name not in unset} | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_they_are_skipped_and_the_last_lines_say_so(tmp_path: Path) -> None:
    skips = tmp_path / "skips"
    done = run(tmp_path, SKIPS_FILE=str(skips))
    assert done.returncode == 0
    last = done.stdout.splitlines()[-2:]
    assert last[0] == "SKIPPED 2 tests for a missing service: rabbitmq (AMQP_URL is not set)"
    assert "1 passed, 2 skipped" in last[1]
    assert len(skips.read_text().splitlines()) == 2


def test_they_fail_with_ci(tmp_path: Path) -> None:
    done = run(tmp_path, CI="true")
    assert done.returncode == 1
    assert done.stdout.count(REASON) >= 2
    assert "2 errors" in done.stdout.splitlines()[-1]


def test_they_may_be_left_out_on_purpose(tmp_path: Path) -> None:
    skips = tmp_path / "skips"
    done = run(tmp_path, "-m", "not rabbitmq", CI="true", SKIPS_FILE=str(skips))
    assert done.returncode == 0
    assert "SKIPPED" not in done.stdout
    assert skips.read_text() == ""


def test_they_run_where_the_service_is(tmp_path: Path) -> None:
    done = run(tmp_path, AMQP_URL="amqp://127.0.0.1:5672/")
    assert "3 passed" in done.stdout.splitlines()[-1]


def test_one_with_nodes_of_its_own_needs_the_program_and_no_address(tmp_path: Path) -> None:
    lacking = run(tmp_path, tests=OWN_NODES, before=NOT_INSTALLED, AMQP_URL="amqp://127.0.0.1/")
    reason = "missing service: rabbitmq (rabbitmq-server is not installed)"
    assert lacking.stdout.splitlines()[-2] == f"SKIPPED 1 tests for a {reason}"

    installed = "demo.rabbitmq_nodes.program = lambda name: name"
    found = run(tmp_path, tests=OWN_NODES, before=f"import demo.rabbitmq_nodes\n{installed}\n")
    assert "1 passed" in found.stdout.splitlines()[-1]
