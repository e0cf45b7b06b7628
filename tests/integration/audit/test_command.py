"""`manage.py ledger` as a process: exit codes, errors, the progress bar."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError
from django.db import connection

from audit import progress as progress_module
from audit import verify
from tests.attacks import Attacker
from tests.databases import Database
from tests.integration.audit.commands import ledger

ROOT = Path(__file__).resolve().parents[3]


def process(database: Database, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run `manage.py ledger` as an operator would."""
    return subprocess.run(
        [sys.executable, "manage.py", "ledger", *arguments],
        cwd=ROOT,
        env=database.env | env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_sound_book_ends_with_0_and_a_difference_with_1(
    filled_book: Database, attacker: Attacker
) -> None:
    sound = process(filled_book, "verify", "--json", "--progress")
    assert (sound.returncode, json.loads(sound.stdout)["sound"]) == (0, True)
    assert "72/72" in sound.stderr

    attacker.run("update event set metadata = '{}' where shard = 3 and position = 9")

    broken = process(filled_book, "verify")
    assert broken.returncode == 1
    assert broken.stdout == "Difference at 3-9 (chain): the event is not what was hashed.\n"
    assert broken.stderr == ""


@pytest.mark.parametrize("arguments", [[], ["verify", "--no-such"], ["replay", "--until", "x"]])
def test_wrong_usage_ends_with_2(arguments: list[str], filled_book: Database) -> None:
    assert process(filled_book, *arguments).returncode == 2


def test_a_database_that_does_not_answer_ends_with_2(filled_book: Database) -> None:
    nowhere = "postgres://nobody@127.0.0.1:1/none?connect_timeout=2"

    ended = process(filled_book, "verify", DATABASE_URL=nowhere, DATABASE_OWNER_URL=nowhere)

    assert ended.returncode == 2
    assert "The database does not answer" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_database_without_a_book_is_no_verdict(attacker: Attacker) -> None:
    attacker.run("truncate book")

    with pytest.raises(CommandError, match="no book yet") as refused:
        ledger("verify")

    assert refused.value.returncode == 2


def test_an_interrupted_audit_leaves_no_transaction_open(filled_book: Database) -> None:
    ledger("verify")

    assert connection.get_autocommit()
    assert not connection.in_atomic_block


class Terminal:
    """A stderr that says whether it is a terminal."""

    def __init__(self, is_terminal: bool) -> None:
        self.is_terminal = is_terminal
        self.text = ""

    def isatty(self) -> bool:
        return self.is_terminal

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        """Nothing is kept back."""


@pytest.mark.parametrize("is_terminal", [False, True])
@pytest.mark.parametrize("total", [10, progress_module.SHORT_EVENTS])
def test_a_long_run_shows_its_progress_on_a_terminal(
    is_terminal: bool, total: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stderr: Any = Terminal(is_terminal)
    monkeypatch.setattr(sys, "stderr", stderr)

    with progress_module.progress("verify", total=total, is_wanted=False) as advance:
        advance(total)

    assert ("verify" in stderr.text) == (is_terminal and total > 10)


def test_the_rate_is_shown(monkeypatch: pytest.MonkeyPatch, filled_book: Database) -> None:
    stderr: Any = Terminal(is_terminal=True)
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setattr(progress_module, "SHORT_EVENTS", 1)

    assert ledger("verify")[0] == 0
    assert ledger("replay")[0] == 0

    assert "72/72" in stderr.text
    assert verify.HELP
