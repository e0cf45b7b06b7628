"""The embedded PostgreSQL: a private server below STATE_DIR, started by whoever connects first.

Used by the database backend when DATABASE_URL is unset, and by the tests. Never in production.
"""

import fcntl
import logging
import shlex
import shutil
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg2
from psycopg2.sql import SQL, Identifier, Literal

from core.postgres import binaries, folders
from core.postgres.processes import Account, EmbeddedPostgresError, run, server_account
from core.postgres.server import (
    APPLICATION_USER,
    DATABASE,
    Server,
    record,
    record_path,
    recorded,
)

__all__ = ["EmbeddedPostgresError", "Server", "ensure_running", "remove", "stop"]

LOCK_TIMEOUT_SECONDS = 300
START_TIMEOUT_SECONDS = 120
STOP_TIMEOUT_SECONDS = 15  # a stop during a recovery may hang; ending it then loses nothing
CONNECT_TIMEOUT_SECONDS = 10
START_TRIES = 8
POLL_SECONDS = 0.02
LOG_LIMIT_BYTES = 10_000_000
OPTIONS = (
    "-c port=5432 -c listen_addresses= -c unix_socket_permissions=0700 -c max_connections=200 "
    "-c wal_level=logical -c fsync=on -c synchronous_commit=on -c timezone=UTC "
    "-c log_min_messages=log"  # a refused statement is the caller's to report, text and all
)

log = logging.getLogger(__name__)


def ensure_running(state_dir: Path) -> Server:
    """Return the server of `state_dir`, created and started if need be.

    Any number of processes may call it at once; when the server runs, it costs one connection to
    its socket. Raises EmbeddedPostgresError.
    """
    try:
        server = recorded(state_dir)
        if server and server.is_ready():
            return server
        with exclusive(state_dir):
            server = recorded(state_dir)
            if server and server.is_ready():
                return server
            return start(state_dir, server)
    except OSError as error:
        raise EmbeddedPostgresError(f"No embedded PostgreSQL in {state_dir}: {error}") from error


def stop(state_dir: Path) -> None:
    """Stop the server of `state_dir` if it runs; its data stay."""
    if not state_dir.exists():
        return
    with exclusive(state_dir):
        server = recorded(state_dir)
        if server and server.is_alive():
            halt(server, server_account())
        if server and server.host:
            shutil.rmtree(server.host, ignore_errors=True)


def remove(state_dir: Path) -> None:
    """Stop the server of `state_dir` and delete its data, wherever they are."""
    stop(state_dir)
    server = recorded(state_dir)
    if server:
        shutil.rmtree(server.home, ignore_errors=True)
        record_path(state_dir).unlink()


@contextmanager
def exclusive(state_dir: Path) -> Iterator[None]:
    """Hold the lock of `state_dir`, so that one process at a time starts or stops its server."""
    state_dir.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + LOCK_TIMEOUT_SECONDS
    with (state_dir / "postgres.lock").open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise EmbeddedPostgresError(f"{file.name} stays locked.") from None
                time.sleep(POLL_SECONDS)
        yield


def start(state_dir: Path, known: Server | None) -> Server:
    """Create what is missing, start the server, and return it; the caller holds the lock."""
    account = server_account()
    if known and known.is_alive():
        if becomes_ready(known):
            return known
        halt(known, account)
    server = known or folders.new_server(state_dir, account)
    record(state_dir, server)  # first of all: data without their password would be lost
    home = Path(server.home)
    chosen = folders.choose(binaries.available(home, account), home)
    server = replace(
        server,
        data=str(folders.ensure_data(server, chosen, account)),
        binaries=str(chosen.folder),
        host=folders.ensure_socket_folder(server.host, account),
    )
    record(state_dir, server)
    launch(server, account)
    create_database(server)
    return server


def becomes_ready(server: Server) -> bool:
    """Wait while a living server recovers; return whether it is ready then."""
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while server.socket.exists() and server.is_alive() and time.monotonic() < deadline:
        if server.is_ready():
            return True
        time.sleep(POLL_SECONDS)
    return False


def launch(server: Server, account: Account | None) -> None:
    """Start the server and wait until it is ready.

    After a kill its last sessions linger for a second or two, and it waits for them: hence the
    tries, with growing pauses.
    """
    if server.log_file.exists() and server.log_file.stat().st_size > LOG_LIMIT_BYTES:
        server.log_file.rename(server.log_file.with_suffix(".log.1"))
    command: list[str | Path] = [Path(server.binaries, "pg_ctl"), "start", "--silent", "--wait"]
    command += ["--timeout", str(START_TIMEOUT_SECONDS), "--pgdata", server.data]
    command += ["--log", server.log_file, "--options", f"{OPTIONS} -k {shlex.quote(server.host)}"]
    tries = 0
    while True:
        tries += 1
        server.forget_zombie()
        try:
            run(command, account=account, timeout_seconds=START_TIMEOUT_SECONDS + 10)
        except EmbeddedPostgresError as error:
            if tries >= START_TRIES:
                raise EmbeddedPostgresError(why_not(server, error)) from error
            time.sleep(0.1 * tries**1.5)
        else:
            return


def why_not(server: Server, error: EmbeddedPostgresError) -> str:
    """Return the message of a failed start, with the end of the server's log."""
    tail = server.log_file.read_text(errors="replace")[-2000:] if server.log_file.exists() else ""
    return f"The embedded PostgreSQL does not start: {error}\n{server.log_file} ends:\n{tail}"


def halt(server: Server, account: Account | None) -> None:
    """Stop a living server: its sessions are ended, what was committed stays."""
    command: list[str | Path] = [Path(server.binaries, "pg_ctl"), "stop", "--silent", "--wait"]
    command += ["--pgdata", server.data, "--timeout", str(STOP_TIMEOUT_SECONDS)]
    limit = STOP_TIMEOUT_SECONDS + 5
    try:
        run([*command, "--mode", "fast"], account=account, timeout_seconds=limit)
    except EmbeddedPostgresError as error:
        log.warning("The embedded PostgreSQL does not stop, so it is ended: %s", error)
        run([*command, "--mode", "immediate"], account=account, timeout_seconds=limit)


def create_database(server: Server) -> None:
    """Create the application's login and database unless they are there."""
    connection = psycopg2.connect(
        server.url(name="postgres", is_owner=True), connect_timeout=CONNECT_TIMEOUT_SECONDS
    )
    connection.autocommit = True
    with closing(connection), connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", [APPLICATION_USER])
        if not cursor.rowcount:
            statement = SQL("CREATE ROLE {} LOGIN PASSWORD {}")
            password = Literal(server.application_password)
            cursor.execute(statement.format(Identifier(APPLICATION_USER), password))
        cursor.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE])
        if not cursor.rowcount:
            cursor.execute(SQL("CREATE DATABASE {}").format(Identifier(DATABASE)))
