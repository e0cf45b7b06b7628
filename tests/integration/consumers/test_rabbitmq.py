"""RabbitMQ alone: its queues, its strangers, and the ways in which a connection to it dies."""

import contextlib
import os
import random
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pika
import pytest

from consumers import amqp, publisher
from consumers.broker import (
    MAX_BODY_BYTES,
    BrokerError,
    BrokerUnavailable,
    Delivery,
    Message,
    Queue,
    QueueMismatch,
)
from consumers.rabbitmq import RabbitBroker
from tests.integration.consumers.conftest import (
    DEAD,
    OTHER,
    QUEUES,
    WORK,
    RabbitRig,
    Seen,
    message,
    wait_until,
)
from tests.integration.consumers.proxy import Proxy

pytestmark = pytest.mark.rabbitmq
NOBODY = "amqp://guest:secret@127.0.0.1:1/"


@pytest.fixture
def rig() -> Iterator[RabbitRig]:
    """Yield brokers on one private set of queues."""
    made = RabbitRig()
    yield made
    made.close()


@pytest.fixture
def server() -> Iterator[Any]:
    """Yield a channel of a stranger."""
    with pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"])) as connection:
        yield connection.channel()


def test_a_queue_of_another_type_is_named_with_the_way_to_mend_it(
    rig: RabbitRig, server: Any
) -> None:
    server.queue_declare(f"{rig.prefix}work", durable=True)
    broker = rig.new()
    with pytest.raises(QueueMismatch, match=rf"{rig.prefix}work.*delete_queue"):
        broker.declare(QUEUES)
    before = time.monotonic()
    with pytest.raises(QueueMismatch):
        broker.publish("other", message())
    with pytest.raises(QueueMismatch):
        broker.consume(["other"], Seen(), prefetch=1)
    assert time.monotonic() - before < 3
    assert broker.close()


def test_a_queue_that_is_deleted_under_its_consumer_is_declared_and_served_again(
    rig: RabbitRig, server: Any
) -> None:
    broker, seen = rig.make(), Seen()
    broker.consume(["work"], seen, prefetch=5)
    server.queue_delete(f"{rig.prefix}work")
    assert wait_until(lambda: broker.publish_many([("work", message(1))]) == [None])
    assert wait_until(lambda: "id-1" in seen.ids)


def test_a_consumer_whose_queue_cannot_be_declared_any_more_ends_with_the_reason(
    rig: RabbitRig, server: Any
) -> None:
    broker = rig.make()
    subscription = broker.consume(["work"], Seen(), prefetch=5)
    server.queue_delete(f"{rig.prefix}work")
    server.queue_declare(f"{rig.prefix}work", durable=True)
    with pytest.raises(QueueMismatch):
        assert wait_until(lambda: subscription.wait(0))


def test_a_broker_that_is_away_at_start_is_told_in_time_and_without_its_password() -> None:
    broker = RabbitBroker(NOBODY, start_seconds=0.5)
    before = time.monotonic()
    with pytest.raises(BrokerUnavailable, match=r"within 0\.5 s: 127\.0\.0\.1:1") as away:
        broker.declare(QUEUES)
    with pytest.raises(BrokerUnavailable):
        broker.consume(["work"], Seen(), prefetch=1)
    assert time.monotonic() - before < 4
    assert "secret" not in str(away.value)
    assert broker.close()


def test_a_wrong_password_is_a_broker_that_is_away(rig: RabbitRig) -> None:
    broker = RabbitBroker(os.environ["AMQP_URL"].replace("guest@", "wrong@"), start_seconds=1.0)
    with pytest.raises(BrokerUnavailable, match="ACCESS_REFUSED"):
        broker.declare(QUEUES)
    assert broker.close()


def test_the_next_host_serves_when_one_is_away(rig: RabbitRig) -> None:
    rig.url = f"{NOBODY},{rig.url},{NOBODY}"
    broker, seen = rig.make(), Seen()
    broker.publish("work", message())
    broker.consume(["work"], seen, prefetch=1)
    assert seen.wait_for(1) == ["id-0"]


def test_a_link_that_breaks_before_it_dials_dials_again(
    rig: RabbitRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, failures = amqp.IOLoop, [OSError(24, "Too many open files")] * 3

    def fail_first() -> Any:
        if failures:
            raise failures.pop()
        return real()

    monkeypatch.setattr(amqp, "IOLoop", fail_first)
    broker, seen = rig.make(), Seen()
    failures.append(OSError(24, "Too many open files"))
    broker.consume(["work"], seen, prefetch=1)
    broker.publish("work", message())
    assert seen.wait_for(1) == ["id-0"]
    assert not failures


class TestDialling:
    """How long, how often and in which order hosts are dialled."""

    @pytest.fixture(autouse=True)
    def _in_order(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(random, "sample", lambda hosts, _: list(hosts))

    def test_a_host_that_says_nothing_is_left_for_the_next(
        self, rig: RabbitRig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Pika alone would wait for 15 s."""
        monkeypatch.setattr(amqp, "STACK_SECONDS", 0.5)
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            url = f"amqp://guest:guest@127.0.0.1:{deaf.getsockname()[1]}/,{rig.url}"
            with closing(RabbitBroker(url, prefix=rig.prefix, start_seconds=10.0)) as broker:
                broker.declare(QUEUES)

    def test_a_host_that_answers_no_declaration_is_left_for_the_next(
        self, rig: RabbitRig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its heartbeats go on meanwhile, as where a queue has no leader."""
        monkeypatch.setattr(amqp, "ANSWER_SECONDS", 0.5)
        with Proxy(rig.target()) as proxy:
            direct = rig.url
            rig.go_through(proxy)
            greet = amqp.Link._on_open

            def greet_and_fall_silent(self: amqp.Link, connection: Any) -> None:
                proxy.freeze()
                greet(self, connection)

            monkeypatch.setattr(amqp.Link, "_on_open", greet_and_fall_silent)
            url = f"{rig.url},{direct}"
            with closing(RabbitBroker(url, prefix=rig.prefix, start_seconds=10.0)) as broker:
                broker.declare(QUEUES)
                broker.publish("work", message())

    def test_a_host_that_hangs_up_is_dialled_with_growing_pauses(self) -> None:
        """And what is told of it stays short, however often that was."""
        with socket.create_server(("127.0.0.1", 0)) as rude:
            calls: list[float] = []
            threading.Thread(target=hang_up, args=(rude, calls), daemon=True).start()
            url = f"amqp://guest:guest@127.0.0.1:{rude.getsockname()[1]}/"
            with closing(RabbitBroker(url, start_seconds=0.1)) as broker:
                with pytest.raises(BrokerUnavailable):
                    broker.declare(QUEUES)
                assert wait_until(lambda: len(calls) >= 6, 60)
                pauses = [later - one for one, later in pairwise(calls)]
                assert pauses[4] > 0.5  # 0.1 s, doubled four times, by half at least
                with pytest.raises(BrokerUnavailable) as away:
                    broker.publish("work", message(), timeout_seconds=0.1)
                assert len(str(away.value)) < 500
            rude.shutdown(socket.SHUT_RDWR)


def hang_up(server: socket.socket, calls: list[float]) -> None:
    """Take each connection and close it."""
    with contextlib.suppress(OSError):
        while True:
            caller, _ = server.accept()
            calls.append(time.monotonic())
            caller.close()


def test_a_window_of_messages_is_in_flight_and_no_more(rig: RabbitRig) -> None:
    with Proxy(rig.target()) as proxy, ThreadPoolExecutor(1) as pool:
        rig.go_through(proxy)
        broker = rig.make()
        proxy.freeze()
        sent = [("work", message(number)) for number in range(publisher.WINDOW + 200)]
        results = pool.submit(broker.publish_many, sent, timeout_seconds=60)
        in_flight = broker._publisher._in_flight
        assert wait_until(lambda: len(in_flight) == publisher.WINDOW)
        assert not wait_until(lambda: len(in_flight) > publisher.WINDOW, 0.3)
        proxy.thaw()
        assert results.result(60) == [None] * len(sent)
        broker.close()
        rig.close()


def test_a_queue_declared_later_is_there_as_well(rig: RabbitRig) -> None:
    broker = rig.make([DEAD, WORK])
    broker.declare([OTHER])
    broker.publish("other", message())
    broker.declare([OTHER])  # known: nothing happens
    broker.publish("other", message(1))


def test_a_broker_is_never_shared_over_a_fork(
    rig: RabbitRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = rig.make()
    with monkeypatch.context() as child:
        child.setattr(os, "getpid", lambda: 1)
        with pytest.raises(RuntimeError, match="fork"):
            broker.publish("work", message())
        with pytest.raises(RuntimeError, match="fork"):
            broker.consume(["work"], Seen(), prefetch=1)


def test_publishing_after_the_close_is_refused_at_once(rig: RabbitRig) -> None:
    broker = rig.make()
    assert broker.close()
    before = time.monotonic()
    with pytest.raises(BrokerUnavailable, match="closed"):
        broker.publish("work", message())
    assert time.monotonic() - before < 1


def test_closing_what_was_never_used_is_possible() -> None:
    assert RabbitBroker(NOBODY).close()


class TestStrangers:
    """Messages that were not published by us."""

    def publish(self, rig: RabbitRig, server: Any, body: bytes, **properties: Any) -> None:
        """Publish past our adapter."""
        server.basic_publish("", f"{rig.prefix}work", body, pika.BasicProperties(**properties))

    def test_without_id_and_type_they_reach_the_handler_as_empty_texts(
        self, rig: RabbitRig, server: Any
    ) -> None:
        broker, seen = rig.make(), Seen()
        self.publish(rig, server, b"?", headers={"deep": {"a": [1, None]}, "truth": True, "n": 3})
        broker.consume(["work"], seen, prefetch=5)
        assert seen.wait_for(1) == [""]
        expected = Message(id="", type="", body=b"?", headers={"n": 3})
        assert [one.message for one in seen.deliveries] == [expected]

    def test_they_can_be_deferred_and_put_aside_like_others(
        self, rig: RabbitRig, server: Any
    ) -> None:
        def settle(delivery: Delivery) -> None:
            if len(seen.deliveries) == 1:
                delivery.defer()
            else:
                delivery.dead_letter("stranger")

        broker, seen, dead = rig.make(), Seen(settle=settle), Seen()
        broker.consume(["work.dead"], dead, prefetch=1)
        self.publish(rig, server, b"?")
        broker.consume(["work"], seen, prefetch=5)
        assert dead.wait_for(1) == [""]

    def test_their_user_is_believed_because_the_broker_has_checked_it(
        self, rig: RabbitRig, server: Any
    ) -> None:
        broker, seen = rig.make(), Seen()
        self.publish(rig, server, b"1", user_id="guest")
        self.publish(rig, server, b"2")
        self.publish(rig, server, b"3", headers={"x-sender": "shop"})
        broker.consume(["work"], seen, prefetch=5)
        seen.wait_for(3)
        assert [one.message.sender for one in seen.deliveries] == ["guest", "", ""]
        server.confirm_delivery()  # so that a publish waits for the broker's word
        with pytest.raises(pika.exceptions.ChannelClosedByBroker, match="user_id"):
            self.publish(rig, server, b"4", user_id="shop")

    def test_a_body_over_the_limit_is_put_aside_unread(self, rig: RabbitRig, server: Any) -> None:
        broker, seen = rig.make(), Seen()
        self.publish(rig, server, bytes(MAX_BODY_BYTES + 1), message_id="huge")
        self.publish(rig, server, b"", message_id="small")
        broker.consume(["work"], seen, prefetch=5)
        assert seen.wait_for(1) == ["small"]
        count = f"{rig.prefix}work.dead"
        assert wait_until(lambda: ready(server, count) == 1)


def ready(server: Any, queue: str) -> int:
    """Return how many messages wait in a queue, by its full name."""
    declared: int = server.queue_declare(queue, passive=True).method.message_count
    return declared


def test_the_brokers_own_dead_letter_has_its_reason(rig: RabbitRig) -> None:
    """A message whose consumers die is dead-lettered by the broker, which counts for itself."""
    with Proxy(rig.target()) as proxy:
        direct, seen = rig.make(), Seen()
        direct.consume(["work.dead"], seen, prefetch=1)
        direct.publish("work", message())
        rig.go_through(proxy)

        def die(_: Delivery) -> None:
            proxy.cut()
            time.sleep(0.5)  # by now the broker has taken it back: whatever is said is late

        broker, held = rig.make(), Seen(settle=die)
        broker.consume(["work"], held, prefetch=2)
        assert seen.wait_for(1) == ["id-0"]
        dead = {"dead-reason": "delivery_limit", "dead-queue": "work"}
        assert [one.message.headers for one in seen.deliveries] == [dead]
        assert [one.attempts for one in held.deliveries] == [0, 1, 2]
        broker.close()
        rig.close()


def test_a_verdict_that_comes_after_the_connection_was_lost_is_not_heeded(
    rig: RabbitRig, server: Any
) -> None:
    """Else the message would be put aside and be delivered again as well."""
    with Proxy(rig.target()) as proxy:
        rig.make().publish("work", message())
        rig.go_through(proxy)

        def settle(delivery: Delivery) -> None:
            if len(seen.deliveries) > 1:
                delivery.ack()
                return
            proxy.cut()
            time.sleep(0.5)
            delivery.dead_letter("late")

        broker, seen = rig.make(), Seen(settle=settle)
        subscription = broker.consume(["work"], seen, prefetch=2)
        assert seen.wait_for(2) == ["id-0", "id-0"]
        assert subscription.stop()
        assert ready(server, f"{rig.prefix}work.dead") == 0
        broker.close()
        rig.close()


def test_what_full_dead_letters_cannot_take_is_left_to_the_broker(
    rig: RabbitRig, server: Any
) -> None:
    """It keeps such a message and tries again after 180 s, which is too long to wait for here."""
    broker = rig.make([replace(DEAD, max_length=1), WORK])
    while broker.publish_many([("work.dead", message(9))]) == [None]:
        time.sleep(0.01)
    full = ready(server, f"{rig.prefix}work.dead")
    broker.publish("work", message(1))
    refused = Seen(settle=lambda delivery: delivery.dead_letter("no"))
    subscription = broker.consume(["work"], refused, prefetch=10)
    assert refused.wait_for(1) == ["id-1"]
    time.sleep(0.5)
    assert subscription.stop()
    assert refused.ids == ["id-1"]  # not delivered again
    assert ready(server, f"{rig.prefix}work") == 0
    assert ready(server, f"{rig.prefix}work.dead") == full


def test_a_channel_whose_messages_are_always_refused_is_replaced(
    rig: RabbitRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was opened while a quorum queue had no leader may be refused for ever."""
    monkeypatch.setattr(publisher, "REFUSED_SECONDS", 0.3)
    broker = rig.make([Queue(name="work", max_length=1)])
    while broker.publish_many([("work", message(9))]) == [None]:
        time.sleep(0.01)
    first = broker._publisher._channel

    def is_replaced() -> bool:
        with contextlib.suppress(BrokerError):
            broker.publish("work", message(1))
        return broker._publisher._channel not in {None, first}

    assert wait_until(is_replaced)
    seen = Seen()
    broker.consume(["work"], seen, prefetch=10)
    assert wait_until(lambda: broker.publish_many([("work", message(2))]) == [None])
    assert wait_until(lambda: "id-2" in seen.ids)


def test_deferring_into_a_full_queue_keeps_the_message(rig: RabbitRig) -> None:
    small = Queue(name="work", max_length=1, delivery_limit=1_000)
    broker, seen = rig.make([small]), Seen(settle=Delivery.defer)
    broker.publish("work", message())
    while not isinstance(broker.publish_many([("work", message(1))])[0], Exception):
        time.sleep(0.01)
    subscription = broker.consume(["work"], seen, prefetch=5)
    seen.wait_for(20)
    assert subscription.stop()
    kept = Seen()
    broker.consume(["work"], kept, prefetch=1)
    assert wait_until(lambda: "id-0" in kept.ids)


def test_what_is_put_aside_without_a_dead_letter_queue_is_dropped(
    rig: RabbitRig, server: Any
) -> None:
    broker = rig.make()
    seen = Seen(settle=lambda delivery: delivery.dead_letter("no"))
    broker.publish("other", message())
    subscription = broker.consume(["other"], seen, prefetch=1)
    assert seen.wait_for(1) == ["id-0"]
    assert subscription.stop()
    assert ready(server, f"{rig.prefix}other") == 0


class TestFrozenNetwork:
    """A network that drops packets: nothing is refused, nothing is answered."""

    def test_a_publish_raises_within_its_limit_and_the_close_is_bounded(
        self, rig: RabbitRig
    ) -> None:
        with Proxy(rig.target()) as proxy:
            rig.go_through(proxy)
            broker = rig.make()
            proxy.freeze()
            before = time.monotonic()
            with pytest.raises(BrokerUnavailable, match=r"within 0\.5 s"):
                broker.publish("work", message(), timeout_seconds=0.5)
            assert time.monotonic() - before < 2
            assert broker.close()
            assert time.monotonic() - before < 8
            proxy.cut()

    def test_what_was_in_flight_when_the_connection_broke_fails_at_once(
        self, rig: RabbitRig
    ) -> None:
        with Proxy(rig.target()) as proxy:
            rig.go_through(proxy)
            broker = rig.make()
            proxy.freeze()
            threading.Timer(0.3, proxy.cut).start()
            before = time.monotonic()
            results = broker.publish_many([("work", message(n)) for n in range(3)])
            assert time.monotonic() - before < 3
            assert {type(result) for result in results} == {BrokerUnavailable}
            assert wait_until(lambda: broker.publish_many([("work", message(9))]) == [None])
            broker.close()
            rig.close()

    def test_a_reply_to_dialling_that_never_comes_is_given_up(self, rig: RabbitRig) -> None:
        with Proxy(rig.target()) as proxy:
            rig.go_through(proxy)
            proxy.freeze()
            broker = RabbitBroker(rig.url, start_seconds=0.5)
            with pytest.raises(BrokerUnavailable):
                broker.declare(QUEUES)
            assert broker.close()
            proxy.cut()


def test_given_up_messages_do_not_pile_up_while_the_broker_is_away(rig: RabbitRig) -> None:
    with Proxy(rig.target()) as proxy:
        rig.go_through(proxy)
        broker, seen = rig.make(), Seen()
        proxy.refuse()
        for number in range(5):
            with pytest.raises(BrokerUnavailable):
                broker.publish("work", message(number), timeout_seconds=0.05)
        proxy.accept()
        assert wait_until(lambda: broker.publish_many([("work", message(9))]) == [None])
        broker.consume(["work"], seen, prefetch=5)
        time.sleep(0.5)
        assert seen.ids[-1] == "id-9"
        assert len(seen.ids) <= 2  # one may have been in flight
        rig.close()


def test_a_large_window_is_bounded_by_bytes(rig: RabbitRig) -> None:
    broker = rig.make()
    body = os.urandom(MAX_BODY_BYTES)
    results = broker.publish_many(
        [("work", message(number, body)) for number in range(24)], timeout_seconds=60
    )
    assert results == [None] * 24


def test_deliveries_under_way_when_it_stops_go_back_to_the_queue(rig: RabbitRig) -> None:
    broker, entered = rig.make(), threading.Event()

    def slowly(deliveries: Sequence[Delivery]) -> None:
        entered.set()
        time.sleep(0.3)
        for delivery in deliveries[:1]:
            delivery.requeue("held while stopping")
        for delivery in deliveries[1:]:
            delivery.ack()

    broker.publish("work", message(0))
    subscription = broker.consume(["work"], slowly, prefetch=2)
    assert entered.wait(5)
    assert subscription.stop()
    seen = Seen()
    broker.consume(["work"], seen, prefetch=1)
    assert seen.wait_for(1) == ["id-0"]
