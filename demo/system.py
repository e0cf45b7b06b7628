"""The whole system as child processes: started from the Procfile, stopped with the demo."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

import psycopg2
import requests
from psycopg2.sql import SQL, Identifier

from consumers.amqp import delete_queues
from consumers.topology import TOPOLOGY
from core.postgres import embedded

REPOSITORY = Path(__file__).resolve().parent.parent
READY_SECONDS = 90
STOP_SECONDS = 20
COMMAND_SECONDS = 180
# For a crowd of clients behind one address and one account.
UNTHROTTLED = {
    f"THROTTLE_{scope}": "off" for scope in ("USER", "ADDRESS", "GENERATIONS", "SIGNUP", "LOGIN")
}


class SystemFailed(Exception):
    """The system did not start, or one of its commands failed."""


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class System:
    """Web, projections, consumers, timers and a reference worker, on a database of their own.

    Use it as a context manager. Without DATABASE_URL the embedded PostgreSQL is used, without
    AMQP_URL the embedded queue. `keep` leaves the database and the state folder behind;
    `settings` are further variables of the environment.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int,
        keep: bool = False,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.keep = keep
        self.url = f"http://127.0.0.1:{port}"
        self.state_dir = folder / ("." if keep else "state")
        self.logs = folder / "logs"
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._started: dict[str, tuple[str, dict[str, str]]] = {}  # command and environment
        self._database = "" if keep else f"ledger_demo_{secrets.token_hex(4)}"
        self._server_url = os.environ.get("DATABASE_OWNER_URL") or os.environ.get("DATABASE_URL")
        self.environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "PYTHONUNBUFFERED": "1",
            "DJANGO_SETTINGS_MODULE": "core.settings",
            "STATE_DIR": str(self.state_dir),
            "PORT": str(port),
            "PUBLIC_URL": self.url,
            "WORKER_URL": self.url,
            **(settings or {}),
        }
        if not keep:
            self.environment["QUEUE_PREFIX"] = f"{self._database}."

    def __enter__(self) -> "System":
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a management command and return what it printed, whatever its exit code."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=REPOSITORY,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )

    def must_manage(self, *arguments: str) -> str:
        """Run a management command and return its output; raises SystemFailed."""
        done = self.manage(*arguments)
        if done.returncode:
            raise SystemFailed(f"manage.py {' '.join(arguments)}: {done.stderr or done.stdout}")
        return done.stdout

    def start_worker(self, name: str = "reference", command: str = "") -> None:
        """Start a worker, the reference worker if no other, with credentials of its own."""
        lines = self.must_manage("workers", "create", name).splitlines()
        credentials = dict(line.split("=", 1) for line in lines if line.startswith("WORKER_"))
        command = command or self._commands()["worker"]
        self._spawn(name, command, self.environment | credentials)

    def end_worker(self, name: str = "reference", *, kill: bool = False) -> None:
        """End a worker in order, or kill it on the spot."""
        child = self._children.pop(name)
        if kill:
            _signal(child, signal.SIGKILL)
            child.wait()
        else:
            end_all([child])

    def kill(self, name: str) -> None:
        """Kill a process and its children on the spot; `restart` begins it anew."""
        child = self._children[name]
        _signal(child, signal.SIGKILL)
        child.wait()

    def restart(self, name: str) -> None:
        """Start a process that has ended as it was started before."""
        self._spawn(name, *self._started[name])

    def ended(self) -> list[str]:
        """Return the names of the processes that do not run."""
        return [name for name, child in self._children.items() if child.poll() is not None]

    def check_alive(self) -> None:
        """Raise SystemFailed when one of the processes has ended."""
        for name, child in self._children.items():
            if child.poll() is not None:
                log = self.logs / f"{name}.log"
                tail = log.read_text(errors="replace")[-2_000:]
                raise SystemFailed(
                    f"{name} ended with code {child.returncode}; {log} says:\n{tail}"
                )

    def _start(self) -> None:
        self.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.logs.mkdir(exist_ok=True)
        if self._server_url and self._database:
            self._create_database(self._server_url)
        self.must_manage("migrate", "--verbosity", "0")
        commands = self._commands()
        for name in ("web", "projections", "consumers", "timers"):
            self._spawn(name, commands[name], self.environment)
        self._wait_until_ready()

    def _commands(self) -> dict[str, str]:
        lines = (REPOSITORY / "Procfile").read_text().splitlines()
        named = (line.split(":", 1) for line in lines if line)
        return {name: command.strip() for name, command in named}

    def _spawn(self, name: str, command: str, environment: dict[str, str]) -> None:
        """Start `command` in a process group of its own: Ctrl-C is ours to pass on."""
        self._started[name] = command, environment
        with (self.logs / f"{name}.log").open("ab") as log:
            self._children[name] = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {command}"],
                cwd=REPOSITORY,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while True:
            self.check_alive()
            try:
                if requests.get(f"{self.url}/readyz", timeout=5).status_code == 200:
                    return
            except requests.RequestException:
                pass
            if time.monotonic() > deadline:
                raise SystemFailed(f"{self.url}/readyz did not answer in {READY_SECONDS} s")
            time.sleep(0.2)

    def _create_database(self, server_url: str) -> None:
        """Give the demo a database of its own, so that it finds and leaves nothing elsewhere."""
        self._administer(server_url, "CREATE DATABASE {}")
        for name in ("DATABASE_URL", "DATABASE_OWNER_URL"):
            url = os.environ.get(name)
            if url:
                parts = urlsplit(url)
                self.environment[name] = parts._replace(path=f"/{self._database}").geturl()

    def _administer(self, server_url: str, statement: str) -> None:
        connection = psycopg2.connect(server_url, connect_timeout=10)
        try:
            connection.autocommit = True
            connection.cursor().execute(SQL(statement).format(Identifier(self._database)))
        finally:
            connection.close()

    def stop(self) -> None:
        """Stop all processes, the newest first; then remove the state, unless it is kept."""
        end_all(list(reversed(self._children.values())))
        self._children.clear()
        if self._server_url:
            if self._database and "DATABASE_URL" in self.environment:
                self._administer(self._server_url, "DROP DATABASE IF EXISTS {} WITH (FORCE)")
        elif self.keep:
            embedded.stop(self.state_dir)
        else:
            embedded.remove(self.state_dir)
        if not self.keep:
            self._delete_queues()
            shutil.rmtree(self.state_dir, ignore_errors=True)

    def _delete_queues(self) -> None:
        url = self.environment.get("AMQP_URL")
        if url:
            delete_queues(url, TOPOLOGY, self.environment["QUEUE_PREFIX"])


def end_all(children: Sequence[subprocess.Popen[bytes]]) -> None:
    """Ask every process group to end, then make those end that did not within STOP_SECONDS."""
    for child in children:
        _signal(child, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    for child in children:
        try:
            child.wait(timeout=max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _signal(child, signal.SIGKILL)
            child.wait()


def _signal(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if child.poll() is None:
        os.killpg(child.pid, number)
