"""The whole system on servers of its own, every part of which can be killed and comes back."""

import os
import platform
import signal
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import psycopg2
import requests

from core.postgres import embedded
from core.postgres.server import recorded
from demo.rabbitmq_nodes import Node
from demo.system import UNTHROTTLED, System, free_port
from tests.integration.consumers.proxy import Proxy
from tests.storm.proxy import UnsteadyProxy

WORKER = "python -m tests.storm.worker"
BACK_SECONDS = 120.0
OURS = ("DATABASE_URL", "DATABASE_OWNER_URL", "AMQP_URL", "QUEUE_PREFIX", "WITHOUT")


@dataclass
class DownTime:
    """When something was away, on the system's clock (seconds since 1970)."""

    spans: list[tuple[float, float]] = field(default_factory=list)

    def total(self) -> float:
        """Return how long at least one thing was away, in seconds."""
        seconds, reached = 0.0, 0.0
        for begin, end in sorted(self.spans):
            seconds += max(0.0, end - max(begin, reached))
            reached = max(reached, end)
        return seconds


class Stage:
    """System, PostgreSQL and, with a node, RabbitMQ; workers and clients behind `proxy`."""

    def __init__(
        self,
        folder: Path,
        *,
        seed: int,
        workers: int,
        node: Node | None,
        settings: Mapping[str, str],
    ) -> None:
        self.node, self.workers = node, [f"worker-{number}" for number in range(workers)]
        self.down = DownTime()
        self._outside = {name: os.environ.pop(name, None) for name in OURS}
        port = free_port()
        self.proxy = UnsteadyProxy(port, seed)
        self.amqp = Proxy(("127.0.0.1", node.amqp_port)) if node else None
        if self.amqp:
            url = f"amqp://guest:guest@127.0.0.1:{self.amqp.port}/"
            settings = {"AMQP_URL": url, **settings}
        public = f"http://127.0.0.1:{self.proxy.port}"
        self.system = System(
            folder,
            port=port,
            settings={
                "PUBLIC_URL": public,
                "WORKER_URL": public,
                "WEB_WORKERS": "2",
                **UNTHROTTLED,
                **settings,
            },
        )
        self.public, self.direct = public, self.system.url

    def __enter__(self) -> "Stage":
        try:
            self.system.__enter__()
            for name in self.workers:
                self.system.start_worker(name, WORKER)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.system.stop()
        self._end()

    def _end(self) -> None:
        self.proxy.close()
        if self.amqp:
            self.amqp.refuse()
        os.environ.update({name: value for name, value in self._outside.items() if value})

    @property
    def processes(self) -> list[str]:
        """The names of all processes of ours."""
        return ["web", "projections", "consumers", "timers", *self.workers]

    def kill_process(self, name: str, pause: float) -> None:
        """Kill a process and start it again after a pause, in seconds."""
        began = time.time()
        self.system.kill(name)
        time.sleep(pause)
        self.system.restart(name)
        if name == "web":
            self._wait_for_web()
        self.down.spans.append((began, time.time()))

    def kill_postgres(self) -> None:
        """Kill the server; whoever connects next starts it again."""
        server = recorded(self.system.state_dir)
        assert server is not None
        began = time.time()
        os.kill(int(server.pid_file.read_text().splitlines()[0]), signal.SIGKILL)
        embedded.ensure_running(self.system.state_dir)
        self.down.spans.append((began, time.time()))

    def end_broker(self, pause: float, *, kill: bool) -> None:
        """Kill RabbitMQ or stop it in order, and start it again after a pause, in seconds."""
        assert self.node is not None
        began = time.time()
        if kill:
            self.node.kill()
        else:
            self.node.stop()
        time.sleep(pause)
        self.node.start()
        self.down.spans.append((began, time.time()))

    def cut_connections(self) -> None:
        """Break all connections to RabbitMQ and some of those to PostgreSQL, half-way."""
        if self.amqp:
            self.amqp.cut()
        server = recorded(self.system.state_dir)
        assert server is not None
        with (
            suppress(psycopg2.Error),
            closing(psycopg2.connect(server.url(is_owner=True), connect_timeout=10)) as one,
            one.cursor() as cursor,
        ):
            cursor.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where usename = %s"
                " and random() < 0.3",
                ["ledger_app"],
            )

    def query(self, sql: str) -> list[tuple[object, ...]]:
        """Return the rows of a query, asked as the owner."""
        server = embedded.ensure_running(self.system.state_dir)
        connection = psycopg2.connect(server.url(is_owner=True), connect_timeout=10)
        with closing(connection), connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def versions(self) -> str:
        """Return what ran."""
        (found,) = self.query("show server_version")
        broker = self.node.control("version").strip() if self.node else "none"
        return f"Python {platform.python_version()}, PostgreSQL {found[0]}, RabbitMQ {broker}"

    def calm(self) -> None:
        """End the faults on the way, and start whatever does not run."""
        self.proxy.is_steady.set()
        for name in self.system.ended():
            self.system.restart(name)
        self._wait_for_web()

    def _wait_for_web(self) -> None:
        until = time.monotonic() + BACK_SECONDS
        while time.monotonic() < until:
            with suppress(requests.RequestException):
                if requests.get(f"{self.direct}/healthz", timeout=5).status_code == 200:
                    return
            time.sleep(0.1)
        raise TimeoutError("web did not come back")
