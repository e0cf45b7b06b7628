"""How our words become AMQP's and back, a stranger's messages included."""

import pika
import pytest

from consumers.amqp import (
    Topology,
    arguments_of,
    attempts_of,
    message_of,
    parameters_of,
    properties_of,
)
from consumers.broker import BrokerError, Message, Queue


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("amqp://u:p@one:5672/v", [("one", 5672, "v", "u")]),
        ("amqp://u:p@one:1,two/v", [("one", 1, "v", "u"), ("two", 5672, "v", "u")]),
        ("amqp://one:1,two:2", [("one", 1, "/", "guest"), ("two", 2, "/", "guest")]),
        ("amqp://u:p@one:1/v, amqp://w:p@two:2/x", [("one", 1, "v", "u"), ("two", 2, "x", "w")]),
    ],
)
def test_a_url_names_one_host_or_several(url: str, hosts: list[tuple[str, int, str, str]]) -> None:
    found = parameters_of(url)
    assert [
        (one.host, one.port, one.virtual_host, one.credentials.username) for one in found
    ] == hosts
    for one in found:
        assert one.heartbeat == 15
        assert one.blocked_connection_timeout == 30
        assert (one.socket_timeout, one.stack_timeout) == (5, 10)


@pytest.mark.parametrize(
    "url",
    [
        "one",
        "amqp://u:secret@one:port/",
        "amqp://secret@one/",
        "amqp://u:secret@one,two:x/",
        "amqp://u:secret@one:99999/",
        "amqp://u:secret@one/?heartbeat=soon",
    ],
)
def test_what_is_no_url_is_told_without_its_password(url: str) -> None:
    with pytest.raises(BrokerError, match="cannot be read") as wrong:
        parameters_of(url)
    assert "secret" not in str(wrong.value)


def test_a_queue_is_quorum_limited_and_dead_letters_at_least_once() -> None:
    queue = Queue(name="q", delivery_limit=7, max_length=9, dead_letter_queue="q.dead")
    assert arguments_of(queue, "p.") == {
        "x-queue-type": "quorum",
        "x-delivery-limit": 7,
        "x-max-length": 9,
        "x-overflow": "reject-publish",
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": "p.q.dead",
        "x-dead-letter-strategy": "at-least-once",
    }


def test_dead_letters_are_never_dropped_for_being_looked_at() -> None:
    arguments = arguments_of(Queue(name="q.dead", delivery_limit=None), "")
    assert arguments["x-delivery-limit"] == 1_000_000_000
    assert "x-dead-letter-exchange" not in arguments


def test_a_message_is_persistent_and_carries_its_id_type_and_headers() -> None:
    sent = Message(id="1", type="t", body=b"", headers={"a": "b"})
    properties = properties_of(sent, 0)
    assert (properties.message_id, properties.type, properties.delivery_mode) == ("1", "t", 2)
    assert properties.headers == {"a": "b"}
    assert message_of(properties, b"", "") == sent


def test_a_message_carries_whom_to_answer_and_who_sent_it() -> None:
    sent = Message(id="1", type="t", body=b"", reply_to="q", correlation_id="c", sender="shop")
    properties = properties_of(sent, 0, "ledger")
    assert (properties.reply_to, properties.correlation_id) == ("q", "c")
    assert (properties.user_id, properties.headers) == ("ledger", {"x-sender": "shop"})
    assert message_of(properties, b"", "", {"ledger"}) == sent
    assert properties_of(Message(id="1", type="t", body=b""), 0, "ledger").user_id is None


@pytest.mark.parametrize(
    ("user_id", "original", "sender"),
    [
        (None, None, ""),
        ("shop", None, "shop"),
        ("shop", "bank", "shop"),  # a stranger under a login of its own
        (None, "bank", ""),
        ("ledger", None, "ledger"),
        ("ledger", "bank", "bank"),  # a copy of ours
        ("ledger", 7, "ledger"),
    ],
)
def test_a_sender_is_whom_the_broker_has_proven(
    user_id: str | None, original: object, sender: str
) -> None:
    headers = None if original is None else {"x-sender": original}
    properties = pika.BasicProperties(user_id=user_id, headers=headers)
    assert message_of(properties, b"", "", {"ledger"}).sender == sender


def test_failures_are_the_brokers_count_and_ours() -> None:
    ours = properties_of(Message(id="1", type="t", body=b""), 3)
    ours.headers["x-delivery-count"] = 2
    assert attempts_of(ours) == 5
    assert attempts_of(pika.BasicProperties()) == 0


def test_a_strangers_count_is_not_believed() -> None:
    for lie in (-5, "3", True, 10**12, None, 1.5):
        assert attempts_of(pika.BasicProperties(headers={"x-attempts": lie})) == 0


def test_of_a_strangers_message_only_text_and_integers_are_kept() -> None:
    properties = pika.BasicProperties(
        message_id=b"\xff",
        type=None,
        headers={
            "text": "x",
            "number": 5,
            "truth": True,
            "table": {"a": 1},
            "bytes": b"\xff",
            b"\xfe": "y",
            "x-internal": "z",
        },
    )
    assert message_of(properties, b"b", "") == Message(
        id="", type="", body=b"b", headers={"text": "x", "number": 5}
    )


def test_the_brokers_own_dead_letter_says_why_and_from_where() -> None:
    table = {"x-first-death-reason": "delivery_limit", "x-first-death-queue": "p.work"}
    headers = message_of(pika.BasicProperties(headers=table), b"", "p.").headers
    assert headers == {"dead-reason": "delivery_limit", "dead-queue": "work"}


def test_the_topology_says_whether_a_queue_is_new() -> None:
    topology = Topology("p.")
    assert topology.add([Queue(name="a")])
    assert not topology.add([Queue(name="a")])
    assert topology.add([Queue(name="a", max_length=1)])
    assert topology.queues() == [Queue(name="a", max_length=1)]
    assert topology.get("unknown") == Queue(name="unknown")
