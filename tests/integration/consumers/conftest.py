"""Both brokers behind one rig, so that one suite holds them to one contract."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from django.db import connection, connections

from consumers.amqp import delete_queues
from consumers.broker import Broker, Delivery, Message, Queue
from consumers.embedded import EmbeddedBroker
from consumers.rabbitmq import RabbitBroker
from tests.databases import Database
from tests.integration.consumers.proxy import Proxy
from tests.integration.consumers.worker_kit import Kit
from tests.integration.consumers.worker_server import WorkerServer

DEAD = Queue(name="work.dead", delivery_limit=None, max_length=5_000)
WORK = Queue(
    name="work",
    delivery_limit=2,
    max_length=5_000,
    lease_seconds=1.0,
    dead_letter_queue="work.dead",
)
OTHER = Queue(name="other", delivery_limit=2, max_length=20)
QUEUES = (DEAD, WORK, OTHER)


def message(number: int = 0, body: bytes = b"{}") -> Message:
    """Return a message whose id tells its number."""
    return Message(id=f"id-{number}", type="test.done", body=body)


def wait_until(is_so: Callable[[], bool], seconds: float = 15.0) -> bool:
    """Return whether `is_so` becomes true within `seconds`."""
    until = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


@dataclass
class Seen:
    """A handler that keeps what it was given and settles it by `settle`."""

    settle: Callable[[Delivery], None] = Delivery.ack
    deliveries: list[Delivery] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)

    def __call__(self, deliveries: Sequence[Delivery]) -> None:
        self.batches.append(len(deliveries))
        for delivery in deliveries:
            self.deliveries.append(delivery)
            self.settle(delivery)

    @property
    def ids(self) -> list[str]:
        return [delivery.message.id for delivery in self.deliveries]

    def wait_for(self, count: int, seconds: float = 15.0) -> list[str]:
        """Return the ids once there are `count`, or those there are after `seconds`."""
        wait_until(lambda: len(self.deliveries) >= count, seconds)
        return self.ids


class Rig:
    """Makes brokers of one kind on one server; each stands for a process of its own."""

    kind: str
    env: dict[str, str]  # in which a subprocess makes the same broker

    def __init__(self) -> None:
        self._brokers: list[Broker] = []
        self.declared = {queue.name: queue for queue in QUEUES}

    def make(self, queues: Sequence[Queue] = QUEUES) -> Broker:
        """Return a new broker with `queues` declared."""
        broker = self.new()
        self._brokers.append(broker)
        self.declared |= {queue.name: queue for queue in queues}
        broker.declare(queues)
        return broker

    def new(self) -> Broker:
        """Return a broker that has not declared anything."""
        raise NotImplementedError

    def whole_name(self, queue: str) -> str:
        """Return the name under which the broker knows a queue that was declared by its short one.

        It is what an asker says in `reply_to`.
        """
        return queue

    def target(self) -> tuple[str, int] | str:
        """Return where the server listens."""
        raise NotImplementedError

    def go_through(self, proxy: Proxy) -> None:
        """Make every later connection of this process go through `proxy`."""
        raise NotImplementedError

    def close(self) -> None:
        """Close every broker that was made."""
        for broker in self._brokers:
            broker.close(5.0)


class EmbeddedRig(Rig):
    kind = "embedded"

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.env = {**database.env, "AMQP_URL": ""}

    def new(self) -> Broker:
        return EmbeddedBroker()

    def target(self) -> tuple[str, int] | str:
        known = connection.settings_dict
        host, port = known["HOST"], int(known["PORT"] or 5432)
        return f"{host}/.s.PGSQL.{port}" if host.startswith("/") else (host, port)

    def go_through(self, proxy: Proxy) -> None:
        connections.settings["default"].update(HOST="127.0.0.1", PORT=str(proxy.port))
        connection.close()
        connection.settings_dict.update(HOST="127.0.0.1", PORT=str(proxy.port))


class RabbitRig(Rig):
    kind = "rabbitmq"

    def __init__(self) -> None:
        super().__init__()
        self.url = os.environ["AMQP_URL"]
        self.prefix = f"test-{uuid4().hex[:12]}."
        self.env = {**os.environ, "AMQP_URL": self.url, "QUEUE_PREFIX": self.prefix}

    def new(self) -> Broker:
        return RabbitBroker(self.url, prefix=self.prefix)

    def whole_name(self, queue: str) -> str:
        return self.prefix + queue

    def target(self) -> tuple[str, int] | str:
        parts = urlsplit(os.environ["AMQP_URL"])
        return (parts.hostname or "", parts.port or 5672)

    def go_through(self, proxy: Proxy) -> None:
        parts = urlsplit(self.url)
        login = f"{parts.username}:{parts.password}@" if parts.username else ""
        self.url = f"{parts.scheme}://{login}127.0.0.1:{proxy.port}{parts.path}"

    def close(self) -> None:
        super().close()
        delete_queues(os.environ["AMQP_URL"], list(self.declared.values()), self.prefix)


@pytest.fixture(params=["embedded", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    """Yield each broker's rig in turn."""
    made: Rig
    if request.param == "rabbitmq":
        made = RabbitRig()
    else:
        made = EmbeddedRig(request.getfixturevalue("database"))
    yield made
    made.close()
    assert wait_until(lambda: not _threads()), f"left running: {_threads()}"


def _threads() -> list[str]:
    ours = ("amqp-", "consume-")
    return [one.name for one in threading.enumerate() if one.name.startswith(ours)]


@pytest.fixture
def server() -> Iterator[WorkerServer]:
    """Run a server that speaks the worker protocol."""
    with WorkerServer() as server:
        yield server


@pytest.fixture
def kit(server: WorkerServer, tmp_path: Path) -> Kit:
    return Kit(server, tmp_path / "desk")
