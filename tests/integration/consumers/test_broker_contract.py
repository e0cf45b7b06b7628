"""One contract for both brokers (design section 9): a message is delivered, or it is told."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from consumers.broker import (
    MAX_BODY_BYTES,
    BrokerUnavailable,
    Delivery,
    Message,
    Queue,
    QueueMissing,
    Refused,
    Unroutable,
    ack_all,
)
from consumers.subscription import ConsumingEnded
from tests.integration.consumers.conftest import Rig, Seen, message, wait_until
from tests.integration.consumers.proxy import Proxy

ANSWERS = Queue(name="answers", delivery_limit=2, max_length=100)
ROOT = Path(__file__).resolve().parents[3]


def test_a_published_message_is_delivered_unchanged(rig: Rig) -> None:
    broker, seen = rig.make(), Seen()
    sent = Message(
        id="f3d1",
        type="generation.complete",
        body=bytes(range(256)) * 40,
        headers={"traceparent": "00-ab-cd-01", "text": "그림 🎨", "count": 2**40, "below": -1},
    )
    broker.publish("work", sent)
    broker.consume(["work"], seen, prefetch=10)
    seen.wait_for(1)
    assert [one.message for one in seen.deliveries] == [sent]
    assert (seen.deliveries[0].queue, seen.deliveries[0].attempts) == ("work", 0)


def test_whom_to_answer_and_who_sent_it_stay_with_a_message_wherever_it_goes(rig: Rig) -> None:
    """Deferred, failed and put aside: each time the broker may hold a copy of it."""

    def settle(delivery: Delivery) -> None:
        turns = [Delivery.defer, lambda one: one.requeue("no"), lambda one: one.dead_letter("no")]
        turns[len(seen.deliveries) - 1](delivery)

    sent = replace(message(), reply_to="answers", correlation_id="before", sender="shop")
    broker, seen, dead = rig.make(), Seen(settle=settle), Seen()
    broker.publish("work", sent)
    broker.consume(["work.dead"], dead, prefetch=1)
    broker.consume(["work"], seen, prefetch=10)
    dead.wait_for(1)
    assert [one.message for one in seen.deliveries] == [sent] * 3
    headers = {"dead-reason": "no", "dead-queue": "work"}
    assert [one.message for one in dead.deliveries] == [replace(sent, headers=headers)]


def test_an_answer_reaches_the_queue_that_its_asker_named(rig: Rig) -> None:
    asker, seen = rig.make([ANSWERS]), Seen()
    answer = replace(message(), correlation_id="id-7")
    asker.consume(["answers"], seen, prefetch=5)
    rig.make().answer([(rig.whole_name("answers"), answer)])
    seen.wait_for(1)
    assert [one.message for one in seen.deliveries] == [answer]


def test_answers_that_cannot_be_sent_are_dropped_and_spoil_no_other(rig: Rig) -> None:
    """Also those to a queue of ours: who asks could have our tasks or results forged."""
    asker, seen, broker, ours = rig.make([ANSWERS]), Seen(), rig.make(), Seen()
    asker.consume(["answers"], seen, prefetch=5)
    broker.consume(["work"], ours, prefetch=5)
    whole = rig.whole_name
    broker.answer(
        [
            ("nowhere", message(1)),
            (whole("work"), message(2)),
            ("amq.rabbitmq.reply-to.nonsense", message(3)),
            ("amq.rabbitmq.reply-to.g1h2AA.nonsense", message(3)),
            ("\u0000", message(4)),
            (whole("answers"), replace(message(5), type="")),
            (whole("answers"), message(6)),
        ]
    )
    assert seen.wait_for(1) == ["id-6"]
    broker.publish("work", message(7))
    assert ours.wait_for(1) == ["id-7"]


def test_an_acknowledged_message_is_gone(rig: Rig) -> None:
    broker, first, second = rig.make(), Seen(), Seen()
    broker.publish("work", message())
    subscription = broker.consume(["work"], first, prefetch=1)
    assert first.wait_for(1) == ["id-0"]
    assert subscription.stop()
    rig.make().consume(["work"], second, prefetch=1)
    assert second.wait_for(1, seconds=1.5) == []  # longer than the lease


def test_what_is_acknowledged_together_is_gone_and_what_is_not_comes_again(rig: Rig) -> None:
    broker, ids, rest = rig.make(), list[str](), Seen()

    def handler(deliveries: Sequence[Delivery]) -> None:
        done = [one for one in deliveries if one.message.id != "id-3" or "id-3" in ids]
        ids.extend(one.message.id for one in deliveries)
        ack_all(done)
        ack_all(done)  # for the second time, and none: does nothing
        ack_all([])

    broker.publish_many([("work", message(number)) for number in range(6)])
    subscription = broker.consume(["work"], handler, prefetch=10)
    assert wait_until(lambda: ids.count("id-3") == 2)
    assert subscription.stop()
    broker.consume(["work"], rest, prefetch=10)
    assert rest.wait_for(1, seconds=1.5) == []  # longer than the lease
    assert sorted(ids) == ["id-0", "id-1", "id-2", "id-3", "id-3", "id-4", "id-5"]


def test_a_thousand_messages_are_confirmed_and_delivered_in_order(rig: Rig) -> None:
    broker, seen = rig.make(), Seen()
    sent = [("work", message(number)) for number in range(1_000)]
    assert broker.publish_many(sent) == [None] * 1_000
    broker.consume(["work"], seen, prefetch=100)
    assert seen.wait_for(1_000) == [one.id for _, one in sent]


def test_each_message_of_a_batch_has_its_own_result(rig: Rig) -> None:
    broker, seen = rig.make(), Seen()
    results = broker.publish_many(
        [
            ("work", message(1)),
            ("nowhere", message(2)),
            ("work", message(3, bytes(MAX_BODY_BYTES + 1))),
            ("work", message(4)),
            ("nowhere", message(5)),
        ]
    )
    kinds = [type(result) for result in results]
    assert kinds == [type(None), Unroutable, Refused, type(None), Unroutable]
    broker.consume(["work"], seen, prefetch=10)
    assert seen.wait_for(2) == ["id-1", "id-4"]


def test_a_message_for_no_queue_is_unroutable(rig: Rig) -> None:
    with pytest.raises(Unroutable, match="nowhere"):
        rig.make().publish("nowhere", message())


def test_consuming_from_a_queue_that_was_never_declared_is_refused(rig: Rig) -> None:
    with pytest.raises(QueueMissing, match="nowhere"):
        rig.make().consume(["work", "nowhere"], Seen(), prefetch=1)


def test_a_body_of_the_limit_passes_and_one_byte_more_is_refused(rig: Rig) -> None:
    broker, seen = rig.make(), Seen()
    body = os.urandom(MAX_BODY_BYTES)
    broker.publish("work", message(1, body))
    with pytest.raises(Refused, match="1048577 bytes"):
        broker.publish("work", message(2, body + b"x"))
    broker.consume(["work"], seen, prefetch=1)
    seen.wait_for(1)
    assert [one.message.body for one in seen.deliveries] == [body]


def test_a_full_queue_refuses(rig: Rig) -> None:
    broker = rig.make()
    results = [broker.publish_many([("other", message(number))])[0] for number in range(40)]
    assert results[:20] == [None] * 20
    assert isinstance(results[-1], Refused)


def test_work_that_fails_is_delivered_again_then_a_dead_letter_with_its_reason(rig: Rig) -> None:
    broker, dead = rig.make(), Seen()
    failing = Seen(settle=lambda delivery: delivery.requeue("no luck"))
    broker.consume(["work.dead"], dead, prefetch=1)
    broker.consume(["work"], failing, prefetch=1)
    broker.publish("work", replace(message(), headers={"kept": "yes"}))
    dead.wait_for(1)
    assert [one.attempts for one in failing.deliveries] == [0, 1, 2]  # the limit is 2
    assert [one.message for one in dead.deliveries] == [
        replace(
            message(),
            headers={"kept": "yes", "dead-reason": "delivery_limit", "dead-queue": "work"},
        )
    ]


def test_a_handler_that_raises_counts_as_failed_work(rig: Rig) -> None:
    def fail(delivery: Delivery) -> None:
        raise ValueError("broken handler")

    broker, failing, dead = rig.make(), Seen(settle=fail), Seen()
    broker.consume(["work.dead"], dead, prefetch=1)
    broker.consume(["work"], failing, prefetch=1)
    broker.publish("work", message())
    assert dead.wait_for(1) == ["id-0"]
    assert len(failing.deliveries) == 3


def test_what_a_handler_leaves_unsettled_is_delivered_again(rig: Rig) -> None:
    broker, seen = rig.make(), Seen(settle=lambda delivery: None)
    broker.consume(["work"], seen, prefetch=1)
    broker.publish("work", message())
    assert seen.wait_for(2)[:2] == ["id-0", "id-0"]


def test_a_dead_letter_keeps_the_reason_it_was_given(rig: Rig) -> None:
    broker, dead = rig.make(), Seen()
    broker.consume(["work.dead"], dead, prefetch=1)
    broker.consume(["work"], Seen(settle=lambda one: one.dead_letter("not JSON")), prefetch=5)
    broker.publish("work", message(body=b"\xff\x00"))
    dead.wait_for(1)
    assert [one.message.headers for one in dead.deliveries] == [
        {"dead-reason": "not JSON", "dead-queue": "work"}
    ]
    assert dead.deliveries[0].message.body == b"\xff\x00"


def test_one_poison_message_leaves_its_neighbours_alone(rig: Rig) -> None:
    def settle(delivery: Delivery) -> None:
        if delivery.message.id == "id-7":
            delivery.dead_letter("poison")
        else:
            delivery.ack()

    broker, seen, dead = rig.make(), Seen(settle=settle), Seen()
    broker.consume(["work.dead"], dead, prefetch=1)
    broker.publish_many([("work", message(number)) for number in range(20)])
    broker.consume(["work"], seen, prefetch=20)
    assert dead.wait_for(1) == ["id-7"]
    assert sorted(seen.wait_for(20)) == sorted(f"id-{number}" for number in range(20))


def test_deferred_work_comes_back_and_does_not_count(rig: Rig) -> None:
    broker, deferring = rig.make(), Seen(settle=Delivery.defer)
    broker.publish("work", message())
    subscription = broker.consume(["work"], deferring, prefetch=1)
    deferring.wait_for(10)  # the limit is 2
    assert {one.attempts for one in deferring.deliveries} == {0}
    assert subscription.stop()
    seen = Seen()
    broker.consume(["work"], seen, prefetch=1)
    assert seen.wait_for(1) == ["id-0"]


def test_deferring_keeps_the_failures_counted_before(rig: Rig) -> None:
    def settle(delivery: Delivery) -> None:
        if len(seen.deliveries) % 2:
            delivery.requeue("failed")
        else:
            delivery.defer()

    broker, seen, dead = rig.make(), Seen(settle=settle), Seen()
    broker.consume(["work.dead"], dead, prefetch=1)
    broker.consume(["work"], seen, prefetch=1)
    broker.publish("work", message())
    assert dead.wait_for(1) == ["id-0"]
    assert [one.attempts for one in seen.deliveries] == [0, 1, 1, 2, 2]


def test_deferred_work_rests_for_the_time_that_was_asked(rig: Rig) -> None:
    broker, times = rig.make(), list[float]()

    def handler(deliveries: Sequence[Delivery]) -> None:
        times.append(time.monotonic())
        deliveries[0].defer(0.6) if len(times) == 1 else deliveries[0].ack()

    broker.publish("work", message())
    broker.consume(["work"], handler, prefetch=1)
    assert wait_until(lambda: len(times) == 2)
    assert 0.55 < times[1] - times[0] < 3.0


def test_what_a_killed_consumer_held_is_delivered_to_another(rig: Rig) -> None:
    rig.make().publish("work", message())
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.consumers.holder"],
        cwd=ROOT,
        env=rig.env,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == "id-0\n"
        process.kill()
        process.wait()
    seen = Seen()
    rig.make().consume(["work"], seen, prefetch=1)
    assert seen.wait_for(1) == ["id-0"]
    assert seen.deliveries[0].attempts == 1


def test_two_consumers_share_the_work_without_duplicates(rig: Rig) -> None:
    def slowly(delivery: Delivery) -> None:
        time.sleep(0.002)
        delivery.ack()

    one, two = Seen(settle=slowly), Seen(settle=slowly)
    rig.make().consume(["work"], one, prefetch=5)
    rig.make().consume(["work"], two, prefetch=5)
    sent = [("work", message(number)) for number in range(200)]
    assert rig.make().publish_many(sent) == [None] * 200
    assert wait_until(lambda: len(one.ids) + len(two.ids) >= 200)
    assert sorted(one.ids + two.ids) == sorted(each.id for _, each in sent)
    assert one.ids
    assert two.ids


def test_one_consumer_serves_several_queues(rig: Rig) -> None:
    broker, seen = rig.make(), Seen()
    broker.consume(["work", "other"], seen, prefetch=1)
    for number in range(5):
        broker.publish("work", message(number))
        broker.publish("other", message(number))
    seen.wait_for(10)
    served = sorted((one.queue, one.message.id) for one in seen.deliveries)
    assert served == sorted((queue, f"id-{n}") for queue in ("work", "other") for n in range(5))
    assert {one.attempts for one in seen.deliveries} == {0}


def test_with_prefetch_one_nothing_is_fetched_while_the_handler_works(rig: Rig) -> None:
    broker, busy, free = rig.make(), threading.Event(), Seen()
    started = Seen()

    def work_on(deliveries: Sequence[Delivery]) -> None:
        started(deliveries)  # acknowledges at once, as a worker does when it may start
        busy.wait(20)

    broker.publish("work", message(0))
    broker.consume(["work", "other"], work_on, prefetch=1)
    assert started.wait_for(1) == ["id-0"]
    broker.publish_many([("work", message(n)) for n in (1, 2)] + [("other", message(3))])
    rig.make().consume(["work", "other"], free, prefetch=1)
    assert sorted(free.wait_for(3)) == ["id-1", "id-2", "id-3"]
    busy.set()
    broker.publish("work", message(4))
    assert wait_until(lambda: "id-4" in started.ids + free.ids)


def test_stopping_waits_for_the_handler_and_takes_nothing_more(rig: Rig) -> None:
    broker, entered = rig.make(), threading.Event()
    seen = Seen()

    def handler(deliveries: Sequence[Delivery]) -> None:
        entered.set()
        time.sleep(0.5)
        seen(deliveries)

    broker.publish_many([("work", message(number)) for number in range(3)])
    subscription = broker.consume(["work"], handler, prefetch=1)
    assert entered.wait(10)
    assert subscription.stop(10)
    assert seen.ids == ["id-0"]
    assert subscription.wait()
    rest = Seen()
    broker.consume(["work"], rest, prefetch=1)
    assert rest.wait_for(2) == ["id-1", "id-2"]


def test_stopping_is_bounded_when_the_handler_hangs(rig: Rig) -> None:
    broker, entered, hanging = rig.make(), threading.Event(), threading.Event()

    def handler(deliveries: Sequence[Delivery]) -> None:
        entered.set()
        hanging.wait(20)

    broker.publish("work", message())
    subscription = broker.consume(["work"], handler, prefetch=1)
    assert entered.wait(10)
    before = time.monotonic()
    assert not broker.close(0.5)
    assert time.monotonic() - before < 3
    hanging.set()
    assert subscription.wait(10)


def test_an_idle_consumer_stops_at_once(rig: Rig) -> None:
    broker = rig.make()
    subscription = broker.consume(["work"], Seen(), prefetch=1)
    before = time.monotonic()
    assert subscription.stop()
    assert time.monotonic() - before < 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_consuming_that_ends_by_itself_is_a_fault_however_quiet(rig: Rig) -> None:
    def leave(delivery: Delivery) -> None:
        sys.exit()  # ends the thread, and Python says nothing

    broker, seen = rig.make(), Seen()
    broker.publish("work", message())
    subscription = broker.consume(["work"], Seen(settle=leave), prefetch=1)
    with pytest.raises(ConsumingEnded, match="ended by itself"):
        subscription.wait(20)
    broker.consume(["work"], seen, prefetch=1)
    assert seen.wait_for(1) == ["id-0"]
    assert subscription.stop()


def test_publishing_to_a_broker_that_is_away_raises_within_its_limit(rig: Rig) -> None:
    with Proxy(rig.target()) as proxy:
        rig.go_through(proxy)
        broker = rig.make()
        broker.publish("work", message(1))
        proxy.refuse()
        before = time.monotonic()
        with pytest.raises(BrokerUnavailable):
            broker.publish("work", message(2), timeout_seconds=1.0)
        assert time.monotonic() - before < 3
        proxy.accept()
        assert wait_until(lambda: broker.publish_many([("work", message(3))]) == [None])
        rig.close()


def test_consuming_goes_on_after_the_connection_was_cut(rig: Rig) -> None:
    with Proxy(rig.target()) as proxy:
        rig.go_through(proxy)
        broker, seen = rig.make(), Seen()
        broker.consume(["work"], seen, prefetch=10)
        for number in range(3):
            assert wait_until(
                lambda n=number: broker.publish_many([("work", message(n))]) == [None]
            )
            assert wait_until(lambda n=number: f"id-{n}" in seen.ids)
            proxy.cut()
        broker.close()
        rig.close()


def test_a_delivery_held_over_a_cut_is_delivered_again_and_its_late_ack_harms_nothing(
    rig: Rig,
) -> None:
    with Proxy(rig.target()) as proxy:
        rig.go_through(proxy)
        broker, cut = rig.make(), threading.Event()
        seen = Seen()

        def handler(deliveries: Sequence[Delivery]) -> None:
            if not cut.is_set():
                proxy.cut()
                cut.set()
                time.sleep(1.2)  # longer than the lease
            seen(deliveries)

        broker.publish("work", message(1))
        broker.consume(["work"], handler, prefetch=1)
        assert wait_until(lambda: "id-1" in seen.ids)
        assert wait_until(lambda: broker.publish_many([("work", message(2))]) == [None])
        assert wait_until(lambda: "id-2" in seen.ids)
        broker.close()
        rig.close()


@pytest.mark.parametrize("settle", [Delivery.ack, lambda one: ack_all([one])])
def test_a_verdict_given_while_the_broker_is_away_harms_nothing(
    rig: Rig, settle: Callable[[Delivery], None]
) -> None:
    with Proxy(rig.target()) as proxy:
        rig.go_through(proxy)
        broker, seen = rig.make(), Seen(settle=settle)

        def handler(deliveries: Sequence[Delivery]) -> None:
            if not seen.deliveries:
                proxy.refuse()
                time.sleep(0.5)
            seen(deliveries)
            proxy.accept() if len(seen.deliveries) == 1 else None

        broker.publish("work", message(1))
        broker.consume(["work"], handler, prefetch=1)
        assert seen.wait_for(2) == ["id-1", "id-1"]
        broker.close()
        rig.close()


def test_what_waited_behind_a_cut_is_handled_once(rig: Rig) -> None:
    with Proxy(rig.target()) as proxy:
        rig.go_through(proxy)
        broker, seen, entered = rig.make(), Seen(), threading.Event()

        def handler(deliveries: Sequence[Delivery]) -> None:
            if not entered.is_set():
                entered.set()
                time.sleep(0.5)  # the others arrive meanwhile
                proxy.cut()
                time.sleep(0.3)
            seen(deliveries)

        broker.consume(["work"], handler, prefetch=5)
        broker.publish("work", message(0))
        assert entered.wait(10)
        broker.publish_many([("work", message(number)) for number in (1, 2, 3)])
        assert wait_until(lambda: {"id-1", "id-2", "id-3"} <= set(seen.ids))
        assert sorted(one for one in seen.ids if one != "id-0") == ["id-1", "id-2", "id-3"]
        broker.close()
        rig.close()
