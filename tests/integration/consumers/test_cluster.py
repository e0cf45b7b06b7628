"""Three RabbitMQ nodes: whichever one ends, messages go on and none is lost (G8, G12)."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from uuid import uuid5

import pytest

from consumers.broker import BrokerError, Delivery
from consumers.rabbitmq import RabbitBroker
from consumers.topology import IMAGE_GENERATION, RESULTS, TOPOLOGY
from demo.rabbitmq_nodes import Node, NodeFailed, Nodes
from demo.system import REPOSITORY
from ledger.book import read
from tests.databases import Database
from tests.faults.signing import Signer
from tests.integration.consumers.conftest import wait_until
from tests.integration.consumers.stories import Ordered

pytestmark = [pytest.mark.rabbitmq(own_nodes=True), pytest.mark.slow]
PAGE = REPOSITORY / "docs" / "how-to" / "rabbitmq-cluster.md"
COMMAND = "python -m demo.cluster"
STARTED = ["GenerationRequested", "TokensHeld", "GenerationStarted"]
JOBS = 10  # ordered at a time
GOES_ON_SECONDS = 120.0


def test_the_pages_command_ends_each_node_and_nothing_is_lost() -> None:
    assert f"$ {COMMAND}\n" in PAGE.read_text()

    done = subprocess.run(
        [sys.executable, *COMMAND.split()[1:]],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("was away") == 3
    assert "350 of 350 confirmed messages were delivered" in done.stdout


class Worker:
    """Takes tasks from the cluster and reports on the cluster that it has begun them."""

    def __init__(self, urls: str) -> None:
        self._signer = Signer()
        self._broker = RabbitBroker(urls)
        self._broker.declare(TOPOLOGY)
        self._broker.consume([IMAGE_GENERATION], self._take, prefetch=5)

    def close(self) -> None:
        self._broker.close()

    def _take(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self._report(json.loads(delivery.message.body)["task_id"])
            delivery.ack()

    def _report(self, task: str) -> None:
        """Publish it until it is confirmed: once more is a duplicate to the ledger."""
        body = {
            "task_id": task,
            "claim": str(uuid5(self._signer.worker.id, task)),
            "sequence": 1,
            "occurred_at": "2026-11-27T12:00:00Z",
            "data": {},
        }
        message = self._signer.message("generation.started", f"started-{task}", body)
        until = time.monotonic() + GOES_ON_SECONDS
        while time.monotonic() < until:
            with suppress(BrokerError):
                return self._broker.publish(RESULTS, message)
        raise TimeoutError("The cluster takes no results.")


@contextmanager
def consumers(database: Database, urls: str, log: Path) -> Iterator[None]:
    """Run the process that publishes tasks and takes results; it ends in order."""
    with log.open("wb") as output:
        running = subprocess.Popen(
            [sys.executable, "manage.py", "consumers"], cwd=REPOSITORY, stderr=output,
            env=database.env | {"AMQP_URL": urls, "QUEUE_PREFIX": ""},
        )  # fmt: skip
    try:
        yield
        assert running.poll() is None, log.read_text()
        running.send_signal(signal.SIGTERM)
        assert running.wait(30) == 0, log.read_text()
    finally:
        running.kill()
        running.wait()


def listed(node: Node, what: str) -> dict[str, str]:
    """Return a column of the list of queues, by queue."""
    with suppress(NodeFailed):
        lines = node.control("list_queues", "--no-table-headers", "name", what).splitlines()
        rows = [line.split("\t") for line in lines]
        return {row[0]: row[-1] for row in rows}
    return {}


def ordered() -> list[Ordered]:
    return [Ordered().write() for _ in range(JOBS)]


def are_started(jobs: Sequence[Ordered]) -> bool:
    """Return whether the result of every job's worker was taken."""
    return all([row.type for row in read.stream(job.stream)] == STARTED for job in jobs)


def are_all(node: Node, column: str, wanted: Callable[[str], bool]) -> bool:
    """Return whether the value of every queue in a column is as wanted."""
    found = listed(node, column)
    return bool(found) and all(map(wanted, found.values()))


def have_members(node: Node, count: int, column: str = "members") -> bool:
    """Return whether every queue has so many members, or so many of them `online`."""
    return are_all(node, column, lambda found: found.count("@") == count)


def test_tasks_and_results_flow_whichever_node_ends(database: Database, tmp_path: Path) -> None:
    """The queues are declared while a node is away, and have a member on it nevertheless."""
    jobs: list[Ordered] = []

    def goes_on() -> bool:
        return wait_until(lambda: are_started(jobs), GOES_ON_SECONDS)

    with Nodes(tmp_path / "rabbitmq", 3) as nodes:
        first, _, last = nodes.nodes
        last.stop()
        with (
            consumers(database, nodes.urls(), tmp_path / "consumers.log"),
            closing(Worker(nodes.urls())),
        ):
            jobs += ordered()
            assert goes_on()
            last.start()
            assert have_members(first, 3)
            assert wait_until(lambda: have_members(first, 3, "online"), GOES_ON_SECONDS)
            for number, node in enumerate(nodes.nodes):
                jobs += ordered()
                if number == 1:
                    node.stop()
                else:
                    node.kill()
                jobs += ordered()
                assert goes_on(), node.name
                node.start()
                jobs += ordered()
            assert goes_on()
            assert wait_until(lambda: are_all(first, "messages", "0".__eq__), GOES_ON_SECONDS)
            assert listed(first, "name").keys() == {queue.name for queue in TOPOLOGY}
        for act, members in ((("shrink", last.name), 2), (("grow", last.name, "all"), 3)):
            first.control(*act, tool="rabbitmq-queues")
            assert have_members(first, members)
