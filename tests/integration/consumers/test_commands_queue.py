"""`ledger.commands` over both brokers: nothing lost, nothing done twice, poison put aside."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pika
import pytest
from django.conf import LazySettings
from django.db import connection

from consumers.broker import Broker, Delivery, Message, Queue
from consumers.commands import PREFETCH, take_commands
from consumers.process import serve
from consumers.topology import COMMANDS, TOPOLOGY
from tests.databases import Database
from tests.integration.consumers.clients import Client, said
from tests.integration.consumers.conftest import EmbeddedRig, RabbitRig, Rig, Seen, wait_until
from tests.integration.consumers.proxy import Proxy

pytestmark = pytest.mark.usefixtures("database")
ROOT = Path(__file__).resolve().parents[3]
ANSWERS = Queue(name="answers", max_length=1_000)
QUEUES = tuple(
    replace(queue, lease_seconds=1.0) for queue in TOPOLOGY
)  # a killed one's are soon back
SECONDS = 60.0  # how long anything may take on a busy machine


def consume(broker: Broker) -> None:
    """Carry out commands as the process of consumers does."""
    broker.consume([COMMANDS], partial(take_commands, answer=broker.answer), prefetch=PREFETCH)


@pytest.fixture
def answers(rig: Rig) -> Seen:
    """Return what comes to the queue that the client named."""
    seen = Seen()
    rig.make([ANSWERS]).consume(["answers"], seen, prefetch=50)
    return seen


@pytest.fixture
def dead(rig: Rig) -> Seen:
    """Return what is put aside."""
    seen = Seen()
    rig.make(QUEUES).consume([f"{COMMANDS}.dead"], seen, prefetch=200)
    return seen


def reasons(dead: Seen) -> dict[str, Any]:
    return {one.message.id: one.message.headers["dead-reason"] for one in dead.deliveries}


def test_a_command_is_carried_out_and_answered_by_the_process(rig: Rig, answers: Seen) -> None:
    ann, ben = Client(tokens=100), Client()
    stop = threading.Event()
    server = threading.Thread(target=serve, args=[rig.new(), stop, ["commands"]])
    server.start()
    try:
        message = ann.transfer(ben, 30, reply_to=rig.whole_name("answers"))
        broker = rig.make(TOPOLOGY)
        broker.publish(COMMANDS, message)
        answers.wait_for(1, SECONDS)
    finally:
        stop.set()
        server.join(SECONDS)
    (answer,) = (delivery.message for delivery in answers.deliveries)
    assert answer.correlation_id == message.id
    assert (said(answer)["status"], said(answer)["body"]["amount"]) == (201, 30)
    assert (ann.paid, ben.paid) == (70, 30)


def test_every_kind_of_bad_message_is_a_dead_letter_and_the_consumer_goes_on(
    rig: Rig, dead: Seen
) -> None:
    ann, ben = Client(tokens=100), Client()
    bad = {
        "malformed_json": ann.message("tokens.transfer", b"no json"),
        "unknown_field": ann.message("tokens.transfer", {"to": str(ben.id)}),
        "invalid_fields": ann.message("tokens.transfer", {"amount": -1}),
        "unknown_type": ann.message("tokens.steal", {}),
        "future_version": ann.message("tokens.transfer", {"version": 2}),
        "another_actor": ann.message("tokens.transfer", {"actor": f"user/{ben.id}"}),
        "invalid_id": ann.transfer(ben, id="no spaces"),
        "invalid_api_key": ann.transfer(ben, headers={"authorization": "Bearer forged"}),
        "not_proven": ann.transfer(ben, headers={}),
        "operator_only": ann.message("tokens.grant", {}),
    }
    broker = rig.make(QUEUES)
    consume(broker)
    assert broker.publish_many([(COMMANDS, one) for one in bad.values()]) == [None] * len(bad)
    dead.wait_for(len(bad), SECONDS)

    assert reasons(dead) == {message.id: reason for reason, message in bad.items()}
    assert {one.message.headers["dead-queue"] for one in dead.deliveries} == {COMMANDS}
    broker.publish(COMMANDS, ann.transfer(ben, 5))
    assert wait_until(lambda: ben.paid == 5, SECONDS)
    assert ann.paid == 95


def test_one_poison_message_among_two_hundred_is_put_aside_alone(
    rig: Rig, dead: Seen, answers: Seen
) -> None:
    clients = [Client(tokens=500, shard=number % 2) for number in range(4)]
    messages = [
        clients[n % 4].transfer(clients[(n + 1) % 4], reply_to=rig.whole_name("answers"))
        for n in range(199)
    ]
    broker = rig.make(QUEUES)
    poison = replace(messages[0], id="poison", body=b"\x00")
    everything = [*messages[:100], poison, *messages[100:]]
    assert broker.publish_many([(COMMANDS, one) for one in everything]) == [None] * 200
    consume(broker)
    answers.wait_for(200, SECONDS)

    assert reasons(dead) == {"poison": "malformed_json"}
    told = {one.message.correlation_id: said(one.message)["status"] for one in answers.deliveries}
    assert told == {"poison": 400} | {message.id: 201 for message in messages}
    assert sum(client.paid for client in clients) == 2_000


# Takes commands, and kills itself at the step that is named.
PROCESS = """
import os, signal, sys
from dataclasses import replace
from functools import partial
import django
django.setup()
from consumers import commands
from consumers.commands import PREFETCH, take_commands
from consumers.connect import connect
from consumers.topology import COMMANDS, TOPOLOGY
from ledger import handlers

step = sys.argv[1]

def deadly(name, whole):
    def stand_in(*arguments, **named):
        if step == name:
            os.kill(os.getpid(), signal.SIGKILL)
        return whole(*arguments, **named)
    return stand_in

broker = connect()
broker.declare([replace(queue, lease_seconds=1.0) for queue in TOPOLOGY])
handlers.append = deadly("append", handlers.append)
commands.ack_all = deadly("ack", commands.ack_all)
answer = deadly("answer", broker.answer)
handler = partial(take_commands, answer=answer)
broker.consume([COMMANDS], handler, prefetch=PREFETCH).wait(60)
"""


@pytest.mark.parametrize("step", ["append", "answer", "ack"])
def test_a_consumer_killed_at_any_step_is_followed_by_one_that_gives_the_first_answer(
    rig: Rig, database: Database, answers: Seen, step: str
) -> None:
    """G7, G12: committed and not acknowledged, a message comes again and moves nothing."""
    ann, ben = Client(tokens=100), Client()
    broker = rig.make(QUEUES)
    message = ann.transfer(ben, 30, reply_to=rig.whole_name("answers"))
    broker.publish(COMMANDS, message)
    killed = subprocess.run(
        [sys.executable, "-c", PROCESS, step],
        cwd=ROOT,
        env=database.env | {name: rig.env.get(name, "") for name in ("AMQP_URL", "QUEUE_PREFIX")},
        timeout=120,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert ben.paid == (0 if step == "append" else 30)

    consume(broker)

    def told() -> list[dict[str, Any]]:
        return [said(one.message) for one in answers.deliveries]

    has_committed = step != "append"  # a killed one's answer may have got through, or not
    assert wait_until(lambda: has_committed in [one["replayed"] for one in told()], SECONDS)
    assert {one["body"]["id"] for one in told()} == {told()[0]["body"]["id"]}
    assert (ann.paid, ben.paid) == (70, 30)


def test_commands_wait_for_a_database_that_is_away(rig: Rig, database: Database) -> None:
    """G12: nothing of them is lost, and an outage is nobody's failed work."""
    ann, ben = Client(tokens=100), Client()
    broker, back = rig.make(QUEUES), threading.Event()
    messages = [(COMMANDS, ann.transfer(ben)) for _ in range(20)]
    assert broker.publish_many(messages) == [None] * 20
    with Proxy(EmbeddedRig(database).target()) as proxy:
        EmbeddedRig(database).go_through(proxy)

        def come_back() -> None:
            proxy.accept()
            back.set()

        def handler(deliveries: Sequence[Delivery]) -> None:
            if not seen:
                proxy.refuse()
                threading.Timer(2.5, come_back).start()
            seen.extend(deliveries)
            take_commands(deliveries, answer=broker.answer)

        seen: list[Delivery] = []
        broker.consume([COMMANDS], handler, prefetch=PREFETCH)
        assert back.wait(SECONDS)
        connection.close()
        assert wait_until(lambda: ben.paid == 20, SECONDS)
        assert len(seen) > 20
        assert ann.paid == 80
        broker.close()
        rig.close()


@pytest.mark.rabbitmq
class TestRabbitMQ:
    @pytest.fixture
    def rabbit(self) -> Iterator[RabbitRig]:
        made = RabbitRig()
        yield made
        made.close()

    @pytest.fixture
    def channel(self) -> Iterator[Any]:
        """Yield a channel of a client that knows nothing of our adapter."""
        with pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"])) as made:
            yield made.channel()

    def test_a_clients_own_library_is_enough(
        self, rabbit: RabbitRig, channel: Any, settings: LazySettings
    ) -> None:
        """The broker's word for its user is the proof, and a private queue takes the answer."""
        ann, ben = Client(tokens=100), Client()
        settings.COMMAND_SENDERS = {"guest": ann.user.username}
        consume(rabbit.make(QUEUES))
        private = channel.queue_declare("", exclusive=True).method.queue
        asked = ann.transfer(ben, 30)
        properties = pika.BasicProperties(
            message_id=asked.id, type=asked.type, user_id="guest", reply_to=private
        )
        channel.basic_publish("", rabbit.prefix + COMMANDS, asked.body, properties)
        for method, got, body in channel.consume(private, inactivity_timeout=SECONDS):
            assert method is not None, "no answer"
            assert got.correlation_id == asked.id
            assert said(Message(id="", type="", body=body))["body"]["amount"] == 30
            break
        assert ben.paid == 30

    def test_a_message_without_id_or_type_is_put_aside(
        self, rabbit: RabbitRig, channel: Any
    ) -> None:
        ann, dead = Client(tokens=100), Seen()
        broker = rabbit.make(QUEUES)
        broker.consume([f"{COMMANDS}.dead"], dead, prefetch=5)
        consume(broker)
        asked = ann.transfer(Client())
        for given in ({"type": asked.type}, {"message_id": "1"}, {}):
            properties = pika.BasicProperties(headers=dict(asked.headers), **given)
            channel.basic_publish("", rabbit.prefix + COMMANDS, asked.body, properties)
        dead.wait_for(3, SECONDS)
        found = sorted(str(one.message.headers["dead-reason"]) for one in dead.deliveries)
        assert found == ["no_id", "unknown_type", "unknown_type"]
        assert ann.paid == 100
