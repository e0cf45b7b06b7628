"""The worker kit takes its tasks from RabbitMQ as well."""

import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from uuid import uuid4

import pytest

from consumers.amqp import delete_queues
from consumers.broker import Message as Published
from consumers.rabbitmq import RabbitBroker
from consumers.topology import topology
from consumers.worker.delivery import WorkerRefused
from consumers.worker.queues import RabbitQueues
from consumers.worker.retry import Unreachable
from consumers.worker.sources import QueueSource, QueuesUnavailable
from consumers.worker.worker import Message
from tests.integration.consumers.worker_kit import FAST, Kit
from tests.integration.consumers.worker_server import (
    Reply,
    WorkerServer,
    refused,
)

QUEUES = topology(["flux"])


class WorkerRig:
    """A worker in this process on queues of its own in the broker."""

    def __init__(self, server: WorkerServer, folder: Path) -> None:
        self.url = os.environ.get("AMQP_URL", "")
        self.prefix = f"test-{uuid4().hex[:12]}."
        self.server = server
        self.folder = folder
        self.stop = threading.Event()
        self.broker = RabbitBroker(self.url, prefix=self.prefix)
        self.broker.declare(QUEUES)

    def publish(self, body: object, queue: str = "image_generation") -> None:
        message = Published(
            id=str(uuid4()), type="image_generation", body=json.dumps(body).encode()
        )
        self.broker.publish(queue, message)

    def run(self, *, once: bool = True, give_up_seconds: float = 5.0, family: str = "") -> bool:
        kit = Kit(self.server, self.folder)
        kit.stop = self.stop
        queues = RabbitQueues(self.url, prefix=self.prefix, family=family, close_seconds=10)
        source = QueueSource(queues, give_up_seconds=give_up_seconds, retry=FAST)
        try:
            with kit.worker(job_types=["image_generation"]) as (worker, _):
                return source.run(worker, self.stop, once=once)
        finally:
            self.stop = threading.Event()

    def waiting(self, queue: str, seconds: float = 1.0) -> list[bytes]:
        """Take what is left in a queue within a while."""
        left: list[bytes] = []
        came = threading.Event()

        def keep(deliveries: object) -> None:
            for delivery in deliveries:  # type: ignore[attr-defined]  # a sequence of deliveries
                left.append(delivery.message.body)
                delivery.ack()
            came.set()

        subscription = self.broker.consume([queue], keep, prefetch=10)
        came.wait(seconds)
        subscription.stop()
        return left


@pytest.fixture
def rig(server: WorkerServer, tmp_path: Path) -> Iterator[WorkerRig]:
    rig = WorkerRig(server, tmp_path / "desk")
    yield rig
    rig.broker.close()
    delete_queues(rig.url, QUEUES, rig.prefix)


@pytest.mark.rabbitmq
def test_a_queued_task_is_worked_on_and_taken_off_the_queue(rig: WorkerRig) -> None:
    rig.publish(rig.server.generation())
    assert rig.run()
    assert rig.server.callbacks("complete")
    assert not rig.waiting("image_generation")


@pytest.mark.rabbitmq
def test_a_worker_of_a_family_takes_from_its_queue_alone(rig: WorkerRig) -> None:
    rig.publish(plain := rig.server.generation())
    rig.publish(flux := rig.server.generation(), "image_generation.flux")
    assert rig.run(family="flux")
    (done,) = rig.server.callbacks("complete")
    assert done.json["task_id"] == flux["task_id"]
    assert [json.loads(body) for body in rig.waiting("image_generation", 10)] == [plain]


@pytest.mark.rabbitmq
def test_a_message_that_is_no_task_becomes_a_dead_letter(rig: WorkerRig) -> None:
    rig.publish({"no": "task"})
    assert not rig.run()
    assert rig.waiting("image_generation.dead", 10) == [b'{"no": "task"}']


@pytest.mark.rabbitmq
def test_a_task_whose_start_cannot_be_reported_stays_queued(rig: WorkerRig) -> None:
    task = rig.server.generation()
    rig.server.script["started"].extend(Reply(status=503) for _ in range(FAST.attempts))
    rig.publish(task)
    assert not rig.run()
    assert [json.loads(body) for body in rig.waiting("image_generation", 10)] == [task]


@pytest.mark.rabbitmq
def test_an_unanswered_completion_goes_out_before_the_next_task(rig: WorkerRig) -> None:
    rig.publish(rig.server.generation())
    rig.server.script["complete"].extend(Reply(status=503) for _ in range(4))
    assert rig.run()
    assert len(rig.server.callbacks("complete")) == 5


@pytest.mark.rabbitmq
def test_a_server_that_stays_away_ends_the_worker(rig: WorkerRig) -> None:
    rig.publish(rig.server.generation())
    rig.server.script["complete"].extend(Reply(status=503) for _ in range(100))
    with pytest.raises(Unreachable):
        rig.run(give_up_seconds=0.2)
    assert (rig.folder / "final.json").exists()


@pytest.mark.rabbitmq
def test_a_stop_leaves_an_unanswered_completion_for_the_next_run(rig: WorkerRig) -> None:
    rig.publish(rig.server.generation())
    rig.server.script["complete"].extend(Reply(status=503) for _ in range(1000))
    stop = rig.stop

    def end_later() -> None:
        rig.server.wait_for("/complete", 4)
        stop.set()

    threading.Thread(target=end_later, daemon=True).start()
    rig.run(once=False)
    assert (rig.folder / "final.json").exists()


@pytest.mark.rabbitmq
def test_refused_credentials_end_the_worker(rig: WorkerRig) -> None:
    rig.publish(rig.server.generation())
    rig.server.script["complete"].append(refused(401))
    with pytest.raises(WorkerRefused):
        rig.run()


@pytest.mark.rabbitmq
def test_a_stop_ends_an_idle_worker(rig: WorkerRig) -> None:
    threading.Timer(0.5, rig.stop.set).start()
    assert not rig.run(once=False)


@pytest.mark.parametrize(
    ("url", "why"),
    [("amqp://guest:guest@127.0.0.1:1/", "not reachable"), ("amqp://guest@one", "cannot be read")],
)
def test_a_broker_that_is_away_or_has_no_address_is_told(url: str, why: str) -> None:
    queues = RabbitQueues(url, prefix="", close_seconds=1, start_seconds=0.3)
    with pytest.raises(QueuesUnavailable, match=why):
        queues.consume(["image_generation"], lambda _: None, threading.Event())


class InHand:
    """A message that is delivered already, and what became of it."""

    def __init__(self, task: object) -> None:
        self.body = json.dumps(task).encode()
        self.settled: list[str] = []

    def acknowledge(self) -> None:
        self.settled.append("acknowledged")

    def give_back(self, reason: str) -> None:
        self.settled.append("given back")

    def refuse(self, reason: str) -> None:
        self.settled.append("refused")


class Handful:
    """Queues that had delivered all of these messages when the stop came."""

    def __init__(self, messages: list[InHand]) -> None:
        self._messages = messages

    def consume(
        self, names: Sequence[str], handle: Callable[[Message], None], stop: threading.Event
    ) -> None:
        for message in self._messages:
            handle(message)


def test_no_task_begins_after_a_stop_while_a_completion_waits(
    server: WorkerServer, tmp_path: Path
) -> None:
    """It would overwrite the completion, and be stopped soon after."""
    kit = Kit(server, tmp_path / "desk")
    messages = [InHand(server.generation()) for _ in range(2)]
    server.script["complete"].extend(Reply(status=503) for _ in range(1000))

    def end_later() -> None:
        server.wait_for("/complete", 2)
        kit.stop.set()

    threading.Thread(target=end_later, daemon=True).start()
    with kit.worker() as (worker, _):
        QueueSource(Handful(messages), retry=FAST).run(worker, kit.stop, once=False)
    assert [message.settled for message in messages] == [["acknowledged"], ["given back"]]
    (started,) = server.callbacks("started")
    kept = json.loads((kit.folder / "final.json").read_bytes())
    assert kept["task_id"] == started.json["task_id"]
