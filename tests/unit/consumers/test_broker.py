"""What any broker may be given, and what a handler may do with a delivery."""

import pytest

from consumers.backoff import Backoff, failed_work_seconds
from consumers.broker import (
    MAX_BODY_BYTES,
    MAX_HEADERS,
    Delivery,
    Message,
    Refused,
    Settlement,
    Unroutable,
    answer_fault,
    check,
    fault_of,
)


def message(**changes: object) -> Message:
    """Return a message that both brokers take, with `changes`."""
    return Message(**{"id": "1", "type": "t", "body": b"", **changes})  # type: ignore[arg-type]  # on purpose


@pytest.mark.parametrize(
    "changes",
    [
        {"body": bytes(MAX_BODY_BYTES + 1)},
        {"id": ""},
        {"type": ""},
        {"id": "x" * 256},
        {"id": "한" * 86},  # 258 bytes
        {"type": "a\x00b"},
        {"id": "\ud800"},
        {"headers": {str(number): 1 for number in range(MAX_HEADERS + 1)}},
        {"headers": {"x-attempts": 3}},
        {"headers": {"text": "x" * 4097}},
        {"headers": {"text": "\x00"}},
        {"headers": {"n" * 256: 1}},
        {"headers": {"number": 2**63}},
        {"reply_to": "x" * 256},
        {"correlation_id": "\x00"},
        {"sender": "\ud800"},
    ],
)
def test_what_a_broker_cannot_carry_unchanged_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(Refused):
        check(message(**changes))
    assert isinstance(fault_of(message(**changes)), Refused)


def test_what_is_at_the_limits_is_taken() -> None:
    largest = message(
        id="x" * 255,
        body=bytes(MAX_BODY_BYTES),
        headers={"n" * 255: "x" * 4096, "number": -(2**63) + 1},
    )
    check(largest)
    assert fault_of(largest) is None


@pytest.mark.parametrize(
    "queue", ["work", "amq.rabbitmq.reply-to", "amq.rabbitmq.reply-to.g1h2", "x" * 256, "\x00"]
)
def test_an_answer_goes_to_a_queue_and_to_none_of_ours(queue: str) -> None:
    assert isinstance(answer_fault(queue, message(), {"work"}), Refused)
    assert isinstance(answer_fault("theirs", message(id=""), {"work"}), Refused)
    assert answer_fault("theirs", message(), {"work"}) is None


def test_an_error_without_words_says_what_it_stands_for() -> None:
    assert str(Unroutable()) == "The broker knows no queue for this message."


def test_a_delivery_is_settled_once() -> None:
    settled: list[Settlement] = []
    delivery = Delivery(
        queue="work", message=message(), attempts=0, settle=lambda _, how: settled.append(how)
    )
    assert not delivery.is_settled
    delivery.defer(2.5)
    delivery.ack()
    delivery.requeue("later")
    delivery.dead_letter("no")
    assert delivery.is_settled
    assert settled == [Settlement(verdict="defer", delay_seconds=2.5)]


def test_pauses_double_to_their_limit_and_begin_anew() -> None:
    backoff = Backoff(min_seconds=1.0, max_seconds=4.0)
    pauses = [backoff.next_seconds() for _ in range(4)]
    for pause, step in zip(pauses, [1.0, 2.0, 4.0, 4.0], strict=True):
        assert step / 2 <= pause <= step
    backoff.reset()
    assert backoff.next_seconds() <= 1.0


def test_failed_work_rests_longer_each_time_and_ten_seconds_at_most() -> None:
    assert [failed_work_seconds(attempts) for attempts in (0, 1, 2, 10**6)] == [0.05, 0.1, 0.2, 10]
