"""A RabbitMQ node of our own: out of memory, killed, and asked what it was told to keep."""

import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from consumers import amqp
from consumers.broker import BrokerUnavailable
from consumers.rabbitmq import RabbitBroker
from consumers.topology import DEAD_SUFFIX, TOPOLOGY
from demo.rabbitmq_nodes import Node, Nodes
from tests.integration.consumers.conftest import DEAD, WORK, Seen, message, wait_until

pytestmark = [pytest.mark.rabbitmq(own_nodes=True), pytest.mark.slow]
AWAY_SECONDS = 60.0  # a generous limit for what the node does by itself


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Yield a node that the tests of this module share; each uses queues of its own."""
    with Nodes(tmp_path_factory.mktemp("rabbitmq")) as nodes:
        yield nodes.nodes[0]


@pytest.fixture
def short_of_memory(node: Node) -> Iterator[Node]:
    """Yield the node, which may be told that it has no memory left."""
    yield node
    node.control("set_vm_memory_high_watermark", "0.4")


def test_a_blocked_publish_fails_in_time_and_works_again_when_there_is_memory(
    short_of_memory: Node,
) -> None:
    node, seen = short_of_memory, Seen()
    with closing(RabbitBroker(node.url, prefix="blocked.")) as broker:
        broker.declare([DEAD, WORK])
        broker.publish_many([("work", message(number)) for number in range(3)])
        node.control("set_vm_memory_high_watermark", "0")
        before = time.monotonic()
        with pytest.raises(BrokerUnavailable, match=r"within 1 s"):
            broker.publish("work", message(3), timeout_seconds=1.0)
        assert time.monotonic() - before < 15

        # Whoever consumes has a connection of its own, which nothing blocks.
        subscription = broker.consume(["work"], seen, prefetch=1)
        assert seen.wait_for(3, AWAY_SECONDS) == ["id-0", "id-1", "id-2"]
        assert subscription.stop()
        assert int(node.control("eval", "length(rabbit_alarm:get_alarms()).")) > 0

        node.control("set_vm_memory_high_watermark", "0.4")
        assert wait_until(
            lambda: broker.publish_many([("work", message(4))]) == [None], AWAY_SECONDS
        )
        broker.consume(["work"], seen, prefetch=1)
        assert wait_until(lambda: "id-4" in seen.ids, AWAY_SECONDS)


def test_a_connection_that_stays_blocked_is_given_up_and_dialled_again(
    short_of_memory: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was in flight on it fails then, long before the time of its publish is over."""
    monkeypatch.setattr(amqp, "BLOCKED_SECONDS", 1)
    node = short_of_memory
    with closing(RabbitBroker(node.url, prefix="given-up.")) as broker:
        broker.declare([DEAD, WORK])
        broker.publish("work", message(0))
        node.control("set_vm_memory_high_watermark", "0")
        (error,) = broker.publish_many([("work", message(1))], timeout_seconds=AWAY_SECONDS)
        assert isinstance(error, BrokerUnavailable)
        assert "ConnectionBlockedTimeout" in str(error)
        node.control("set_vm_memory_high_watermark", "0.4")
        assert wait_until(
            lambda: broker.publish_many([("work", message(2))]) == [None], AWAY_SECONDS
        )


def test_what_was_confirmed_outlives_a_kill_of_the_server(node: Node) -> None:
    """G12; and whoever published and consumed does so again without being told."""
    seen = Seen()
    with closing(RabbitBroker(node.url, prefix="killed.")) as broker:
        broker.declare([DEAD, WORK])
        sent = [("work", message(number)) for number in range(200)]
        assert broker.publish_many(sent) == [None] * 200
        # 3.10 loses a queue whose name is not on disk yet, half a second after its declaration.
        node.control("eval", "[dets:sync(Table) || Table <- dets:all()].")
        node.kill()
        node.start()
        broker.consume(["work"], seen, prefetch=20)
        assert set(seen.wait_for(200, AWAY_SECONDS)) == {one.id for _, one in sent}
        assert wait_until(
            lambda: broker.publish_many([("work", message(200))]) == [None], AWAY_SECONDS
        )
        assert wait_until(lambda: "id-200" in seen.ids, AWAY_SECONDS)


def test_every_queue_is_kept_as_money_wants_it(node: Node) -> None:
    """The server's own word: quorum, a delivery limit, dead letters at least once."""
    with closing(RabbitBroker(node.url, prefix="kept.")) as broker:
        broker.declare(TOPOLOGY)
    rows = node.control(
        "list_queues", "--formatter", "csv", "name", "type", "durable", "arguments"
    ).splitlines()
    kept = {row.split('"')[1]: row.replace('"', "") for row in rows if '"kept.' in row}
    assert kept.keys() == {f"kept.{queue.name}" for queue in TOPOLOGY}
    for queue in TOPOLOGY:
        told = kept[f"kept.{queue.name}"]
        assert ",quorum,true," in told
        assert "{x-overflow,reject-publish}" in told
        assert f"{{x-max-length,{queue.max_length}}}" in told
        is_dead = queue.name.endswith(DEAD_SUFFIX)
        limit = amqp.UNLIMITED if is_dead else queue.delivery_limit
        assert f"{{x-delivery-limit,{limit}}}" in told
        letters = f"{{x-dead-letter-routing-key,kept.{queue.name}{DEAD_SUFFIX}}}"
        assert (letters in told) is not is_dead
        assert ("{x-dead-letter-strategy,at-least-once}" in told) is not is_dead


def test_a_dead_letter_that_finds_no_queue_waits_for_it(node: Node) -> None:
    """At least once: it is neither dropped nor delivered again, and comes when it can."""
    hurry = "application:set_env(rabbit, dead_letter_worker_publisher_confirm_timeout, 1000)."
    node.control("eval", hurry)  # instead of 180 s
    with closing(RabbitBroker(node.url, prefix="late.")) as broker:
        broker.declare([DEAD, WORK])
        refused = Seen(settle=lambda delivery: delivery.dead_letter("no"))
        broker.consume(["work"], refused, prefetch=10)  # which declares again
        node.control("delete_queue", "late.work.dead")
        broker.publish("work", message())
        assert refused.wait_for(1) == ["id-0"]
        time.sleep(2)  # in which it is tried again, and finds nothing

        seen = Seen()
        with closing(RabbitBroker(node.url, prefix="late.")) as later:
            later.declare([DEAD, WORK])
            later.consume(["work.dead"], seen, prefetch=1)
            assert seen.wait_for(1, AWAY_SECONDS) == ["id-0"]
        assert refused.ids == ["id-0"]
