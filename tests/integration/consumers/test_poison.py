"""Poison in a row, and poison among good messages, on both queues that strangers write to."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from consumers import commands, results
from consumers.broker import Broker, Delivery, Handler, Message
from consumers.commands import take_commands
from consumers.results import take_results
from consumers.topology import COMMANDS, RESULTS, TOPOLOGY
from tests.integration.consumers.clients import Client
from tests.integration.consumers.conftest import Rig, Seen, wait_until
from tests.integration.consumers.stories import Ordered
from tests.integration.consumers.test_results import Signer, types

pytestmark = pytest.mark.usefixtures("database")
SECONDS = 60.0  # how long anything may take on a busy machine
ROUNDS = 10


@dataclass
class Flow:
    """One queue: its handler, poison of several kinds, and good messages with their effect."""

    queue: str
    prefetch: int
    poison: list[Message]
    good: Callable[[int], list[Message]]
    are_done: Callable[[], bool]
    handler: Callable[[Broker], Handler]


def commands_flow() -> Flow:
    client, other, asked = Client(tokens=1_000), Client(), list[Message]()

    def good(count: int) -> list[Message]:
        asked.extend(client.transfer(other) for _ in range(count))
        return asked

    broken = client.message("tokens.transfer", b"{" * 500)
    return Flow(
        queue=COMMANDS,
        prefetch=commands.PREFETCH,
        poison=[
            broken,
            client.message("x", b""),
            replace(broken, headers={"authorization": "Bearer no"}),
        ],
        good=good,
        are_done=lambda: other.paid == len(asked),
        handler=lambda broker: partial(take_commands, answer=broker.answer),
    )


def results_flow() -> Flow:
    signer, jobs = Signer(), list[Ordered]()

    def good(count: int) -> list[Message]:
        jobs.extend(Ordered().write() for _ in range(count))
        return [signer.message(job)[0] for job in jobs]

    return Flow(
        queue=RESULTS,
        prefetch=results.PREFETCH,
        poison=[
            Message(id="", type="generation.started", body=b"{" * 500),
            Message(id="", type="x", body=b""),
        ],
        good=good,
        are_done=lambda: all(len(types(job)) == 3 for job in jobs),
        handler=lambda _: take_results,
    )


class Buried:
    """A handler that acknowledges and counts dead letters, and keeps nothing."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            assert delivery.message.headers["dead-reason"]
            delivery.ack()
            self.count += 1


def resident_bytes() -> int:
    """Return what this process holds in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("make", [commands_flow, results_flow])
def test_ten_thousand_poison_messages_in_a_row_leave_memory_flat(
    rig: Rig, make: Callable[[], Flow]
) -> None:
    """Fewer through the embedded queue, where each dead letter is a commit."""
    many = 10_000 if rig.kind == "rabbitmq" else 2_000
    flow, buried, grown = make(), Buried(), list[int]()
    broker = rig.make(TOPOLOGY)
    broker.consume([flow.queue], flow.handler(broker), prefetch=flow.prefetch)
    rig.make(TOPOLOGY).consume([f"{flow.queue}.dead"], buried, prefetch=200)
    for start in range(0, many, many // ROUNDS):
        batch = [
            (flow.queue, replace(flow.poison[n % len(flow.poison)], id=f"poison-{n}"))
            for n in range(start, start + many // ROUNDS)
        ]
        assert broker.publish_many(batch, timeout_seconds=SECONDS) == [None] * len(batch)
        so_far = start + len(batch)
        assert wait_until(lambda so_far=so_far: buried.count >= so_far, SECONDS)
        grown.append(resident_bytes())

    assert buried.count == many
    assert grown[-1] - grown[1] < 20 * 2**20
    (good,) = flow.good(1)
    broker.publish(flow.queue, good)
    assert wait_until(flow.are_done, SECONDS)


@pytest.mark.parametrize("make", [commands_flow, results_flow])
def test_one_poison_message_among_two_hundred_is_put_aside_alone(
    rig: Rig, make: Callable[[], Flow]
) -> None:
    flow, dead, broker = make(), Seen(), rig.make(TOPOLOGY)
    good = flow.good(199)
    messages = [*good[:100], replace(flow.poison[0], id="poison"), *good[100:]]
    broker.consume([f"{flow.queue}.dead"], dead, prefetch=5)
    assert broker.publish_many([(flow.queue, one) for one in messages]) == [None] * 200
    broker.consume([flow.queue], flow.handler(broker), prefetch=flow.prefetch)
    assert wait_until(flow.are_done, SECONDS)
    assert dead.wait_for(1, SECONDS) == ["poison"]
    assert dead.deliveries[0].message.headers["dead-queue"] == flow.queue
