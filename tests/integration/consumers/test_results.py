"""What workers report on `ledger.results` moves the job, and nothing else does (G9)."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from django.conf import LazySettings
from django.db import OperationalError
from standardwebhooks.webhooks import Webhook

from consumers import results
from consumers.broker import Delivery, Message, Settlement
from consumers.embedded import EmbeddedBroker
from consumers.results import PREFETCH, take_results
from consumers.topology import RESULTS, TOPOLOGY
from core.storage import StoreUnavailable
from core.workers import create_worker
from ledger.book import read
from ledger.domain.errors import RuleBroken
from ledger.orders import AppendFailed
from tests.integration.consumers.conftest import Seen, wait_until
from tests.integration.consumers.stories import Ordered

pytestmark = pytest.mark.usefixtures("database")


class Signer:
    """A worker that signs what it reports."""

    def __init__(self, name: str = "w") -> None:
        self.worker, self.secret = create_worker(name)

    def message(
        self, job: Ordered, type_: str = "generation.started", **body: Any
    ) -> tuple[Message, dict[str, Any]]:
        """Return a signed report on `job` and its body."""
        known = {
            "task_id": str(job.task),
            "claim": str(uuid4()),
            "sequence": 1,
            "occurred_at": "2026-11-23T12:00:00Z",
            "data": {},
        }
        known |= body
        return self.signed(type_, json.dumps(known).encode()), known

    def signed(self, type_: str, body: bytes, **headers: str) -> Message:
        """Return a message with a signature that is ten days old, as one that waited long."""
        id_ = f"cb-{uuid4()}"
        then = datetime.fromtimestamp(datetime.now(UTC).timestamp() - 864_000, UTC)
        proof: dict[str, str | int] = {
            "worker-id": str(self.worker.id),
            "webhook-id": id_,
            "webhook-timestamp": str(int(then.timestamp())),
            "webhook-signature": Webhook(self.secret).sign(id_, then, body.decode()),
        }
        return Message(id=id_, type=type_, body=body, headers=proof | headers)


def settled(message: Message) -> Settlement:
    """Return how the consumer settles `message`."""
    how: list[Settlement] = []
    delivery = Delivery(
        queue=RESULTS, message=message, attempts=0, settle=lambda _, one: how.append(one)
    )
    take_results([delivery])
    (only,) = how
    return only


def types(job: Ordered) -> list[str]:
    return [row.type for row in read.stream(job.stream)]


def test_a_signed_report_moves_its_job_and_a_repeated_one_moves_nothing() -> None:
    job = Ordered().write()
    message, _ = Signer().message(job)
    for _ in range(3):
        assert settled(message) == Settlement(verdict="ack")
    assert types(job) == ["GenerationRequested", "TokensHeld", "GenerationStarted"]


def test_the_shared_token_is_proof_enough_where_it_is_set(settings: LazySettings) -> None:
    job, signer = Ordered().write(), Signer()
    message, body = signer.message(job)
    headers = {"authorization": "Bearer let-me-in"}
    plain = Message(id="1", type=message.type, body=json.dumps(body).encode(), headers=headers)
    assert settled(plain) == Settlement(verdict="dead_letter", reason="forged")
    settings.INTERNAL_API_TOKEN = "let-me-in"
    assert settled(plain) == Settlement(verdict="ack")
    assert len(types(job)) == 3


def test_a_reports_trace_goes_on_in_the_book(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    signer = Signer()
    for given, kept in (({"traceparent": trace}, trace), ({"traceparent": "x"}, None), ({}, None)):
        job = Ordered().write()
        message, body = signer.message(job)
        traced = signer.signed(message.type, json.dumps(body).encode(), **given)
        assert settled(traced) == Settlement(verdict="ack")
        assert json.loads(read.stream(job.stream)[-1].metadata).get("traceparent") == kept
    lines = [one.msg for one in caplog.records if isinstance(one.msg, dict)]
    logged = [one.get("traceparent") for one in lines if one["event"] == "result_taken"]
    assert logged == [trace, None, None]


@pytest.mark.parametrize(
    ("type_", "body", "reason"),
    [
        ("generation.exploded", b"{}", "unknown_type"),
        ("style.complete", b"{}", "unknown_type"),
        ("", b"{}", "unknown_type"),
        ("generation.started", b"not json", "malformed_json"),
        ("generation.started", b"[" * 100_000, "malformed_json"),
        ("generation.started", b"[]", "malformed_callback"),
        ("generation.started", b'{"task_id": 7}', "malformed_callback"),
        ("generation.started", b'{"data": 7}', "malformed_callback"),
        ("generation.started", b"[" * 40 + b"]" * 40, "json_too_deep"),
        ("generation.started", b'{"version": 2}', "future_version"),
        ("generation.started", b'{"version": "1"}', "malformed_callback"),
        ("generation.started", b'{"version": true}', "malformed_callback"),
        ("generation.started", b'{"version": 1, "tip": 5}', "unknown_field"),
        ("generation.started", b'{"data": {"percent": 5}}', "unknown_field"),
        ("training.progress", b'{"data": {"percent": 5, "worker": "w"}}', "unknown_field"),
    ],
)
def test_what_is_no_callback_is_a_dead_letter_with_its_reason(
    type_: str, body: bytes, reason: str
) -> None:
    message = Signer().signed(type_, body)
    assert settled(message) == Settlement(verdict="dead_letter", reason=reason)


def test_a_report_without_an_id_is_a_dead_letter() -> None:
    message = Message(id="", type="generation.started", body=b"{}")
    assert settled(message) == Settlement(verdict="dead_letter", reason="no_id")


@pytest.mark.parametrize(
    "lie",
    [
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": "v1,é"},
        {"webhook-timestamp": "soon"},
        {"webhook-timestamp": "9" * 30},
        {"webhook-id": "another"},
        {"worker-id": "nobody"},
        {"worker-id": "018f0000-0000-7000-8000-000000000001"},
        {"webhook-id": 7},
    ],
)
def test_a_forged_report_is_a_dead_letter_and_moves_nothing(lie: dict[str, Any]) -> None:
    job = Ordered().write()
    message, _ = Signer().message(job)
    forged = Message(
        id=message.id, type=message.type, body=message.body, headers={**message.headers, **lie}
    )
    assert settled(forged) == Settlement(verdict="dead_letter", reason="forged")
    assert len(types(job)) == 2


def test_a_report_repeated_under_another_id_is_forged() -> None:
    job = Ordered().write()
    message, _ = Signer().message(job)
    again = Message(id="other", type=message.type, body=message.body, headers=message.headers)
    assert settled(again) == Settlement(verdict="dead_letter", reason="forged")


def test_an_altered_body_is_forged() -> None:
    job = Ordered().write()
    message, _ = Signer().message(job)
    for body in (message.body + b" ", b"\xff"):
        altered = Message(id=message.id, type=message.type, body=body, headers=message.headers)
        assert settled(altered).reason == "forged"


def test_a_report_on_a_task_that_nobody_knows_is_a_dead_letter() -> None:
    job = Ordered()  # never written
    message, _ = Signer().message(job)
    assert settled(message) == Settlement(verdict="dead_letter", reason="task_not_found")


def test_a_report_on_another_workers_task_is_a_dead_letter() -> None:
    """G13."""
    job, claim = Ordered().write(), str(uuid4())
    assert settled(Signer().message(job, claim=claim)[0]) == Settlement(verdict="ack")
    thief = Signer("thief").message(
        job, "generation.progress", claim=claim, sequence=2, data={"percent": 5}
    )
    assert settled(thief[0]) == Settlement(verdict="dead_letter", reason="foreign_task")


def test_a_report_may_name_its_version() -> None:
    message, _ = Signer().message(Ordered().write(), version=1, data={"worker": "w"})
    assert settled(message) == Settlement(verdict="ack")


class Later(RuleBroken):
    """Not now."""

    status = 503
    code = "busy"


class Broken(RuleBroken):
    """A defect."""

    status = 500
    code = "internal_error"


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (Later(), "defer"),
        (OperationalError("away"), "defer"),
        (StoreUnavailable(), "defer"),
        (Broken(), "requeue"),
        (AppendFailed(), "requeue"),  # the database is there: it is this report
    ],
)
def test_what_cannot_be_done_now_comes_again(
    error: Exception, verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(results, "receive", fail)
    message, _ = Signer().message(Ordered().write())
    assert settled(message).verdict == verdict


def test_a_report_whose_append_met_an_outage_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """G12: an outage is nobody's failed work."""

    def fail(**_: object) -> None:
        raise AppendFailed

    message, _ = Signer().message(Ordered().write())
    monkeypatch.setattr(results, "receive", fail)
    monkeypatch.setattr(results, "is_database_there", lambda: False)
    assert settled(message).verdict == "defer"


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    """Yield the embedded broker with every queue declared."""
    made = EmbeddedBroker()
    made.declare(TOPOLOGY)
    yield made
    made.close()


def test_one_poison_among_many_reports_spoils_no_other(broker: EmbeddedBroker) -> None:
    signer, dead = Signer(), Seen()
    jobs = [Ordered().write() for _ in range(10)]
    messages = [signer.message(job)[0] for job in jobs]
    messages.insert(5, Message(id="poison", type="generation.started", body=b"\x00"))
    broker.publish_many([(RESULTS, message) for message in messages])
    broker.consume([RESULTS + ".dead"], dead, prefetch=1)
    broker.consume([RESULTS], take_results, prefetch=PREFETCH)
    assert dead.wait_for(1) == ["poison"]
    assert wait_until(lambda: all(len(types(job)) == 3 for job in jobs))
    assert dead.deliveries[0].message.headers["dead-reason"] == "forged"
