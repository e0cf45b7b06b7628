"""`python -m demo.cluster`: three RabbitMQ nodes on this machine; any one may end, work goes on.

Shows it by ending each in turn while messages are published and consumed. With `--keep` the nodes
stay until Ctrl-C, for a system of your own: it prints the AMQP_URL.
"""

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from consumers.broker import BrokerError, Delivery, Message, Queue
from consumers.rabbitmq import RabbitBroker
from demo.rabbitmq_nodes import NodeFailed, Nodes, is_installed

QUEUE = Queue(name="cluster_demo")
BETWEEN = 50  # messages published while a node is away
WAIT_SECONDS = 120.0


@dataclass
class Count:
    """What was confirmed and what was delivered, by message id."""

    confirmed: set[str] = field(default_factory=set)
    delivered: set[str] = field(default_factory=set)
    tries: int = 0

    def take(self, deliveries: Sequence[Delivery]) -> None:
        """Acknowledge a batch."""
        for delivery in deliveries:
            self.delivered.add(delivery.message.id)
            delivery.ack()

    def publish(self, broker: RabbitBroker, count: int) -> None:
        """Publish so many messages, each again until the cluster has confirmed it."""
        until = time.monotonic() + WAIT_SECONDS
        for _ in range(count):
            name = str(len(self.confirmed))
            while name not in self.confirmed:
                self.tries += 1
                with suppress(BrokerError):
                    message = Message(id=name, type="demo", body=name.encode())
                    broker.publish(QUEUE.name, message)
                    self.confirmed.add(name)
                if time.monotonic() > until:
                    raise NodeFailed("the cluster takes no messages")

    @property
    def missing(self) -> set[str]:
        """Return what was confirmed and has not come."""
        return self.confirmed - self.delivered


def end_each(nodes: Nodes, tell: Callable[[str], None]) -> Count:
    """End each node in turn, stopped or killed, while messages flow; return what came of them.

    Raises NodeFailed where the cluster does not go on.
    """
    count, broker = Count(), RabbitBroker(nodes.urls())
    try:
        broker.declare([QUEUE])
        await_members(nodes, len(nodes.nodes))
        subscription = broker.consume([QUEUE.name], count.take, prefetch=20)
        count.publish(broker, BETWEEN)
        for number, node in enumerate(nodes.nodes):
            if number % 2:
                node.stop()
            else:
                node.kill()
            count.publish(broker, BETWEEN)
            node.start()
            await_members(nodes, len(nodes.nodes))
            count.publish(broker, BETWEEN)
            tell(f"{node.name} was away: {len(count.confirmed)} confirmed")
        until = time.monotonic() + WAIT_SECONDS
        while count.missing and time.monotonic() < until:
            time.sleep(0.1)
        subscription.stop()
    finally:
        broker.close()
    tell(f"{len(count.delivered)} of {len(count.confirmed)} confirmed messages were delivered")
    return count


def await_members(nodes: Nodes, wanted: int) -> None:
    """Wait until so many members of the queue are online; raises NodeFailed."""
    until = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < until:
        with suppress(NodeFailed):
            listed = nodes.nodes[0].control("list_queues", "--no-table-headers", "name", "online")
            for line in listed.splitlines():
                name, _, online = line.partition("\t")
                if name == QUEUE.name and online.count("@") == wanted:
                    return
        time.sleep(0.2)
    raise NodeFailed(f"the queue has not {wanted} members online")


def main() -> int:
    """Start the cluster and show it, or keep it; return the exit code."""
    parser = argparse.ArgumentParser(prog="demo.cluster", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="keep the nodes until Ctrl-C")
    asked = parser.parse_args()
    if not is_installed():
        sys.stderr.write("rabbitmq-server is needed: apt-get install rabbitmq-server\n")
        return 2
    print("Starting three nodes; that takes about half a minute")
    with (
        tempfile.TemporaryDirectory(prefix="ledger-cluster-") as folder,
        Nodes(Path(folder), 3) as nodes,
    ):
        print(f"AMQP_URL={nodes.urls()}", flush=True)
        if asked.keep:
            with suppress(KeyboardInterrupt):
                threading.Event().wait()
            return 0
        return 1 if end_each(nodes, print).missing else 0


if __name__ == "__main__":
    sys.exit(main())
