"""A test session leaves nothing behind, however it ends."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from core.postgres.server import recorded
from tests.databases import SERVER_OWNER_URL, Session

REPOSITORY = Path(__file__).parents[2]
TEST = """
import time
from pathlib import Path

def test_that_hangs(database):
    Path(__file__).with_name("begun").write_text(database.name)
    time.sleep(600)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sessions-") as name:
        yield Path(name)


def begin(folder: Path) -> tuple[subprocess.Popen[bytes], Path]:
    """Start a session that hangs in its only test; return it and the session's folder."""
    (folder / "conftest.py").write_text("from tests.conftest import *\n")
    (folder / "test_hanging.py").write_text(TEST)
    command = [sys.executable, "-m", "pytest", "-c", "pyproject.toml", f"--rootdir={REPOSITORY}"]
    environment = os.environ | {"TMPDIR": str(folder)}
    process = subprocess.Popen(
        [*command, folder], cwd=REPOSITORY, env=environment, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not (folder / "begun").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (session,) = folder.glob("ledger-test-*")
    return process, session


def databases(session: Session) -> int:
    if not SERVER_OWNER_URL:
        server = recorded(session.folder / "server")
        return int(server is not None and server.is_alive())
    with closing(psycopg2.connect(SERVER_OWNER_URL)) as connection:
        cursor = connection.cursor()
        cursor.execute(
            "SELECT count(*) FROM pg_database WHERE starts_with(datname, %s)", [session.prefix]
        )
        return int(cursor.fetchone()[0])


def test_a_session_that_is_told_to_end_clears_up(folder: Path) -> None:
    process, session_folder = begin(folder)
    session = Session(session_folder)
    assert databases(session) > 0
    process.terminate()
    assert process.wait(60) == 128 + signal.SIGTERM
    assert databases(session) == 0
    assert not session_folder.exists()


def test_what_a_killed_session_left_is_cleared_up_by_the_next(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process, session_folder = begin(folder)
    session = Session(session_folder)
    assert not session.is_dead()
    process.kill()
    process.wait(60)
    assert databases(session) > 0
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(folder))
    monkeypatch.setattr(tempfile, "mkdtemp", lambda prefix: str(folder))
    Session.begin()
    assert databases(session) == 0
    assert not session_folder.exists()
