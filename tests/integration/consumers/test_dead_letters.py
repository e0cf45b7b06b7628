"""Dead letters are looked at, given back and dropped, by operators alone, with both brokers."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import StringIO
from typing import Any
from uuid import uuid4

import pika
import pytest
from django.conf import LazySettings, settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import override_settings

from consumers.amqp import delete_queues
from consumers.broker import DEAD_QUEUE, DEAD_REASON, Broker, Message
from consumers.connect import connect
from consumers.topology import IMAGE_GENERATION, RESULTS, TOPOLOGY
from core.models import Role, User
from core.sealing import open_text
from ledger.book import read
from ledger.codec import Recorded, decode
from ledger.domain.events import DeadLetterDropped, DeadLetterRequeued, Sealed
from tests.databases import Database
from tests.integration.consumers.conftest import Seen, wait_until

PROMPT = "a portrait of my neighbour"
LINK = "https://store.example.org/signed?secret=1"
TASK = {
    "task_id": "019a0000-0000-7000-8000-000000000001", "type": "image_generation", "attempt": 1,
    "deadline": "2026-11-27T02:10:00.000000Z", "upload": {"url": LINK, "fields": {"policy": "cG9"}},
    "data": {"prompt": PROMPT, "mark": "Mina", "parameters": {"size": "512x512", "seed": 7}},
}  # fmt: skip


@dataclass
class Case:
    """One broker with its queues, and an operator."""

    broker: Broker
    env: dict[str, str]
    sent: list[Message] = field(default_factory=list)

    def bury(self, number: int, *, queue: str = RESULTS, body: bytes = b"{}", **more: Any) -> str:
        """Put a letter among the dead of `queue`; return its id."""
        headers = {DEAD_REASON: "forged", DEAD_QUEUE: queue, "traceparent": "00-ab"} | more
        letter = Message(id=f"id-{number}", type="generation.failed", body=body, headers=headers)
        self.broker.publish(queue + ".dead", letter)
        return letter.id

    def run(self, *given: str) -> str:
        """Run the command as the operator and return what it prints."""
        out = StringIO()
        call_command("deadletters", *given, "--by", "olga", stdout=out)
        return out.getvalue()

    def listed(self, *given: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.run("list", "--json", *given).splitlines()]

    def ids(self) -> list[str]:
        return [line["id"] for line in self.listed()]

    def taken(self, queue: str, count: int) -> list[Message]:
        """Return what is delivered from `queue`, `count` messages if there are as many."""
        seen = Seen()
        subscription = self.broker.consume([queue], seen, prefetch=10)
        seen.wait_for(count)
        assert subscription.stop()
        return [one.message for one in seen.deliveries]


@contextmanager
def opened(amqp_url: str, database: Database) -> Iterator[Case]:
    """Yield the broker at that URL, or the embedded one, with queues of its own."""
    prefix = f"test-{uuid4().hex[:12]}." if amqp_url else ""
    where = {"AMQP_URL": amqp_url, "QUEUE_PREFIX": prefix}
    User.objects.create(username="olga", email="olga@example.org", role=Role.OPERATOR)
    with override_settings(**where):
        broker = connect()
        broker.declare(TOPOLOGY)
        yield Case(broker, database.env | where)
        broker.close()
    if amqp_url:
        delete_queues(amqp_url, TOPOLOGY, prefix)


@pytest.fixture(params=["embedded", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)])
def case(request: pytest.FixtureRequest, database: Database) -> Iterator[Case]:
    """Yield each broker in turn."""
    with opened(os.environ["AMQP_URL"] if request.param == "rabbitmq" else "", database) as one:
        yield one


@pytest.fixture
def rabbit(database: Database) -> Iterator[Case]:
    """Yield RabbitMQ alone, which strangers write to as well."""
    with opened(os.environ["AMQP_URL"], database) as one:
        yield one


def acts() -> list[Recorded]:
    """Return every act on a dead letter in the book, in order of time."""
    rows = [row for shard in read.heads() for row in read.page(shard, 0)]
    found = [decode(row) for row in rows if row.stream.startswith("deadletter-")]
    return sorted(found, key=lambda one: one.recorded_at)


def olga() -> User:
    return User.objects.get(username="olga")


def test_what_a_handler_gave_up_is_listed_with_its_reason_and_age(case: Case) -> None:
    seen = Seen(settle=lambda delivery: delivery.dead_letter("malformed_json"))
    case.broker.publish(RESULTS, Message(id="cb-1", type="generation.complete", body=b"no"))
    subscription = case.broker.consume([RESULTS], seen, prefetch=1)
    assert wait_until(lambda: bool(case.listed()))
    subscription.stop()

    (line,) = case.listed()

    assert 0 <= line.pop("age_seconds") < 600
    assert line == {
        "queue": "ledger.results.dead", "id": "cb-1", "type": "generation.complete",
        "reason": "malformed_json",
    }  # fmt: skip
    text = case.run("list", "--queue", RESULTS)
    assert text.startswith("ledger.results.dead  cb-1  generation.complete  malformed_json  ")


def test_a_list_takes_no_letter_away(case: Case) -> None:
    names = [case.bury(number) for number in range(45)]
    case.bury(99, queue=IMAGE_GENERATION)
    first = [one["id"] for one in case.listed("--queue", RESULTS, "--limit", "30")]
    assert first == names[:30]  # RabbitMQ puts what was looked at behind the others
    assert len(case.listed("--queue", RESULTS, "--limit", "30")) == 30
    assert sorted(one["id"] for one in case.listed("--queue", RESULTS)) == sorted(names)
    assert len(case.listed("--queue", "ledger.results.dead")) == 45
    assert len(case.listed()) == 46
    assert len(case.listed("--limit", "-5")) == 2  # one of each queue at least


def test_a_letter_is_shown_without_what_people_wrote_and_what_opens_doors(case: Case) -> None:
    name = case.bury(
        1, queue=IMAGE_GENERATION, body=json.dumps(TASK).encode(), authorization="Bearer tl_x"
    )
    shown = case.run("show", name)
    whole = json.loads(shown)
    assert not [secret for secret in (PROMPT, LINK, "cG9", "Mina", "tl_x") if secret in shown]
    assert whole["body"]["task_id"] == TASK["task_id"]
    assert whole["body"]["data"]["parameters"] == {"size": "512x512", "seed": 7}
    assert whole["body"]["data"]["prompt"] == "[hidden]"
    assert whole["headers"] == {
        "dead-reason": "forged", "dead-queue": IMAGE_GENERATION, "traceparent": "[hidden]",
        "authorization": "[hidden]",
    }  # fmt: skip
    assert case.ids() == [name]


def test_all_of_a_letter_but_keys_is_shown_on_request_exactly(case: Case) -> None:
    body = json.dumps(TASK).encode()
    name = case.bury(1, body=body, authorization="Bearer tl_x")
    whole = json.loads(case.run("show", name, "--reveal"))
    assert whole["body"].encode() == body
    assert whole["bytes"] == len(body)
    assert whole["headers"]["authorization"] == "[hidden]"  # it would open an account


def test_who_looked_is_in_the_log(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    name = case.bury(1)
    case.run("list")
    case.run("show", name, "--reveal")
    lines = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
    looked = {line["event"]: line for line in lines if line["event"].startswith("dead_letter")}
    assert looked["dead_letters_listed"]["by"] == str(olga().id)
    assert looked["dead_letter_shown"]["by"] == str(olga().id)
    assert looked["dead_letter_shown"]["is_revealed"] is True


def test_a_letter_given_back_is_as_it_was_before_it_died(case: Case) -> None:
    name = case.bury(1, body=b"\x00\xff", queue=RESULTS, count=5)
    case.bury(2)

    said = case.run("requeue", name, "--reason", "Ida mended the worker")

    assert case.ids() == ["id-2"]
    (back,) = case.taken(RESULTS, 1)
    assert back == Message(
        id=name, type="generation.failed", body=b"\x00\xff",
        headers={"traceparent": "00-ab", "count": 5},
    )  # fmt: skip
    (act,) = acts()
    assert isinstance(act.event, DeadLetterRequeued)
    assert act.metadata["actor"] == f"user/{olga().id}"
    assert act.event.user_id == olga().id
    assert (act.event.queue, act.event.message_id, act.event.type, act.event.reason) == (
        "ledger.results.dead", name, "generation.failed", "forged",
    )  # fmt: skip
    assert words(act.event.note) == "Ida mended the worker"
    assert said == f"Given back to ledger.results; the book says so at {act.shard}-1.\n"


def words(note: Sealed | None) -> str | None:
    return open_text(note.sealed, note.key) if note else None


def test_a_letter_given_back_still_says_who_sent_it_and_whom_to_answer(case: Case) -> None:
    """G13: a command must not be given back in another's name."""
    letter = Message(
        id="id-1", type="transfer", body=b"{}", headers={DEAD_REASON: "x", DEAD_QUEUE: RESULTS},
        reply_to="answers", correlation_id="c-1", sender="app",
    )  # fmt: skip
    case.broker.publish(RESULTS + ".dead", letter)

    case.run("requeue", letter.id, "--queue", RESULTS)

    (again,) = case.taken(RESULTS, 1)
    assert (again.reply_to, again.correlation_id, again.sender) == ("answers", "c-1", "app")


def test_every_letter_of_a_queue_is_given_back_each_as_an_act(case: Case) -> None:
    names = [case.bury(number) for number in range(25)]
    other = case.bury(99, queue=IMAGE_GENERATION)

    assert case.run("requeue", "--all", "--queue", RESULTS) == "Given back to ledger.results: 25.\n"

    assert case.ids() == [other]
    assert [one.id for one in case.taken(RESULTS, 25)] == names
    given = [act.event for act in acts()]
    assert [one.message_id for one in given if isinstance(one, DeadLetterRequeued)] == names
    assert case.run("requeue", "--all", "--queue", RESULTS) == "Given back to ledger.results: 0.\n"


def test_a_letter_that_is_dropped_is_gone_and_the_book_says_why(case: Case) -> None:
    name, other = case.bury(1), case.bury(2)
    case.run("drop", name, "--reason", "a stranger's")
    assert case.ids() == [other]
    (act,) = acts()
    assert isinstance(act.event, DeadLetterDropped)
    assert (act.event.message_id, words(act.event.note)) == (name, "a stranger's")
    assert act.metadata["actor"] == f"user/{olga().id}"


def test_only_an_active_operator_may_act_or_look(case: Case) -> None:
    name = case.bury(1)
    User.objects.create(username="mina", email="mina@example.org", role=Role.AUDITOR)
    away = User.objects.create(
        username="ida", email="ida@example.org", role=Role.OPERATOR, is_active=False
    )
    for by in ("mina", away.username, "nobody"):
        for given in (["list"], ["show", name], ["requeue", name], ["drop", name, "--reason", "x"]):
            with pytest.raises(CommandError, match="no active operator"):
                call_command("deadletters", *given, "--by", by)
    assert case.ids() == [name]
    assert acts() == []


def test_what_is_asked_for_wrongly_is_refused_and_nothing_is_done(case: Case) -> None:
    name = case.bury(1)
    refused = {
        ("list", "--queue", "other"): "no such queue; there are: model_training.dead",
        ("show", "id-7"): "no such letter",
        ("requeue", "id-7"): "no such letter",
        ("drop", "id-7", "--reason", "x"): "no such letter",
        ("requeue",): "either ID, or --all",
        ("requeue", name, "--all", "--queue", RESULTS): "either ID, or --all",
        ("requeue", "--all"): "either ID, or --all",
        ("drop", name): "required: --reason",
    }
    for given, why in refused.items():
        with pytest.raises(CommandError, match=why):
            case.run(*given)
    assert case.ids() == [name]
    assert acts() == []


def test_a_letter_stays_where_the_book_refuses_the_act(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = case.bury(1)
    monkeypatch.setattr("ledger.handlers.MOST_ATTEMPTS", 0)
    for given in (["requeue", name], ["drop", name, "--reason", "x"]):
        with pytest.raises(CommandError, match=r"refused it \(busy\): nothing was done"):
            case.run(*given)
    assert case.ids() == [name]
    assert case.taken(RESULTS, 0) == []


# Runs the command, and dies where the act is recorded and not done, or done and not yet ended.
PROCESS = """
import os, signal, sys
import django
django.setup()
from django.core.management import call_command
from consumers.dead_letters import acts
from consumers.dead_letters.embedded import EmbeddedLetters
from consumers.dead_letters.rabbitmq import RabbitLetters

def die(*given):
    os.kill(os.getpid(), signal.SIGKILL)

step = sys.argv[1]
if step == "recorded":
    whole = acts.handle
    acts.handle = lambda orders: (whole(orders), die())
if step == "stored":
    EmbeddedLetters.remove = RabbitLetters.remove = die
call_command("deadletters", "requeue", sys.argv[2], "--by", "olga")
"""


@pytest.mark.parametrize("step", ["recorded", "stored"])
def test_a_requeue_killed_half_way_leaves_the_letter_and_is_done_by_the_next(
    case: Case, step: str
) -> None:
    name = case.bury(1)

    def run(step: str) -> int:
        return subprocess.run(
            [sys.executable, "-c", PROCESS, step, name],
            env=case.env, capture_output=True, timeout=60, check=False,
        ).returncode  # fmt: skip

    assert run(step) == -signal.SIGKILL
    assert wait_until(lambda: case.ids() == [name])
    assert len(acts()) == 1

    assert run("none") == 0

    assert case.ids() == []
    assert len(acts()) == 2
    is_twice = step == "stored" and settings.AMQP_URL  # the embedded queue knows its id
    times = 2 if is_twice else 1
    assert [one.id for one in case.taken(RESULTS, times)] == [name] * times


def test_a_letter_whose_queue_is_gone_stays_dead(case: Case) -> None:
    name = case.bury(1)
    away(RESULTS)
    with pytest.raises(CommandError, match="No such queue"):
        case.run("requeue", name)
    assert case.ids() == [name]


def away(queue: str) -> None:
    """Take a queue away, not its dead letters."""
    if settings.AMQP_URL:
        delete_queues(
            settings.AMQP_URL, [one for one in TOPOLOGY if one.name == queue], settings.QUEUE_PREFIX
        )
    else:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM task_queue WHERE name = %s", [queue])


def test_queues_that_were_never_declared_have_no_letters(
    case: Case, settings: LazySettings
) -> None:
    settings.MODEL_FAMILIES = ["sdxl"]
    assert case.listed("--queue", "image_generation.sdxl") == []
    with pytest.raises(CommandError, match="no such letter"):
        case.run("show", "id-1", "--queue", "image_generation.sdxl")


class TestStrangers:
    """What only RabbitMQ takes from those who do not use our code."""

    pytestmark = pytest.mark.rabbitmq

    def publish(self, queue: str, body: bytes, **properties: Any) -> None:
        url = settings.AMQP_URL
        with pika.BlockingConnection(pika.URLParameters(url)) as connection:
            connection.channel().basic_publish(
                "", settings.QUEUE_PREFIX + queue, body, pika.BasicProperties(**properties)
            )

    def test_a_letter_cannot_write_on_the_operators_terminal_nor_into_the_book(
        self, rabbit: Case
    ) -> None:
        evil = "mina@example.org\x1b[2J"
        self.publish(RESULTS + ".dead", b"\x1b[2J", message_id=evil, type="\x1b]0;x\x07\x7f")
        for printed in (
            rabbit.run("list"), rabbit.run("list", "--json"), rabbit.run("show", evil, "--reveal")
        ):  # fmt: skip
            assert printed.isascii()
            assert printed.replace("\n", "").isprintable()

        rabbit.run("drop", evil, "--reason", "spam")

        (act,) = acts()
        assert isinstance(act.event, DeadLetterDropped)
        assert act.event.message_id.startswith("sha256:")
        assert act.event.type.startswith("sha256:")
        assert act.event.reason == ""

    def test_a_letter_without_an_id_is_named_by_its_body_and_can_only_be_dropped(
        self, rabbit: Case
    ) -> None:
        self.publish(RESULTS + ".dead", b"hello")
        rabbit.bury(1)
        (name, _) = rabbit.ids()
        assert name.startswith("sha256:")
        with pytest.raises(CommandError, match="id, a type"):
            rabbit.run("requeue", name)
        said = rabbit.run("requeue", "--all", "--queue", RESULTS)
        assert said.splitlines() == [
            "Given back to ledger.results: 1.",
            "Left, since no queue takes them as they are: 1.",
        ]
        assert rabbit.ids() == [name]
        rabbit.run("drop", name, "--reason", "nobody's")
        assert rabbit.ids() == []

    def test_where_a_letter_says_that_it_came_from_is_not_believed(self, rabbit: Case) -> None:
        rabbit.bury(1, **{DEAD_QUEUE: IMAGE_GENERATION})
        rabbit.run("requeue", "id-1")
        assert [one.id for one in rabbit.taken(RESULTS, 1)] == ["id-1"]

    def test_what_the_broker_itself_buried_is_listed_with_its_time(self, rabbit: Case) -> None:
        rabbit.broker.publish(RESULTS, Message(id="cb-1", type="generation.complete", body=b"{}"))
        url = settings.AMQP_URL
        with pika.BlockingConnection(pika.URLParameters(url)) as connection:
            channel = connection.channel()
            method, _, _ = channel.basic_get(settings.QUEUE_PREFIX + RESULTS)
            channel.basic_reject(method.delivery_tag, requeue=False)
        assert wait_until(lambda: bool(rabbit.listed()))
        (line,) = rabbit.listed()
        assert (line["id"], line["reason"]) == ("cb-1", "rejected")
        assert 0 <= line["age_seconds"] < 600

    def test_a_broker_that_is_away_is_told(self, rabbit: Case, settings: LazySettings) -> None:
        settings.AMQP_URL = "amqp://guest:secret@127.0.0.1:1/"
        for given in (["list"], ["show", "id-1"]):
            with pytest.raises(CommandError, match="RabbitMQ did not answer") as away:
                rabbit.run(*given)
            assert "secret" not in str(away.value)
