"""Timers: what is due is done once, by ordinary commands, however often and late they run."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.conf import LazySettings
from django.db import OperationalError, connection

from consumers import timers
from core.ids import new_id, task_id
from core.storage import StorageError, StoreUnavailable, store
from ledger import results
from ledger.book import read
from ledger.domain.cancel import CancelGeneration
from ledger.domain.job import JobStatus
from ledger.domain.purchase import StartPurchase
from ledger.domain.refund import RefundGeneration
from ledger.terms import terms
from projections.follow import catch_up
from tests.jobs import (
    Worker,
    announced,
    balance,
    drafted,
    give,
    granted,
    model,
    order_picture,
    picture,
    state_of,
    trained_style,
    training_of,
)

pytestmark = pytest.mark.usefixtures("database", "brisk")


@pytest.fixture
def brisk(settings: LazySettings) -> Iterator[None]:
    """Let every lease, pause and window be over at once."""
    for name in (
        "GENERATION_LEASE_SECONDS", "TRAINING_LEASE_SECONDS", "CLEARING_SECONDS",
        "PURCHASE_EXPIRY_SECONDS",
    ):  # fmt: skip
        setattr(settings, name, 0.01)
    settings.GENERATION_RETRY_SECONDS = settings.TRAINING_RETRY_SECONDS = (0.01,) * 3
    terms.cache_clear()
    yield
    terms.cache_clear()


@pytest.fixture
def user() -> UUID:
    return new_id()


@pytest.fixture
def worker(user: UUID) -> Worker:
    """A worker that holds the task of a picture for 100 of its payer's 150 tokens."""
    order = order_picture(user, trained_style(new_id(), price=100))
    give(granted(user, 150), order)
    return Worker("generation", order.task_id, uuid4())


def pass_once() -> None:
    """Let what is about to be due be due, and run every timer once."""
    time.sleep(0.03)
    catch_up()
    timers.run_once()


def job_id(worker: Worker) -> UUID:
    return task_id(worker.task, 0)


def state(worker: Worker) -> Any:
    return state_of(f"{worker.kind}-{job_id(worker)}")


def status(worker: Worker) -> JobStatus:
    found: JobStatus = state(worker).job.status
    return found


def test_a_lost_worker_is_fenced_and_the_next_attempt_is_paid_once(
    worker: Worker, user: UUID
) -> None:
    """G5, G9, G12."""
    worker.tell("started")
    pass_once()
    assert (status(worker), state(worker).job.failure_code) == ("retrying", "lease_expired")
    assert worker.tell("progress", {"percent": 50}).disposition == "stale"
    pass_once()
    assert (status(worker), state(worker).job.attempt) == ("queued", 2)
    second = Worker("generation", task_id(worker.task, 2), uuid4())
    second.tell("started")
    second.upload(picture())
    second.tell("complete", announced(picture()))
    worker.upload(picture(shade=1))
    assert worker.tell("complete", announced(picture(shade=1))).disposition == "late_ignored"
    assert (status(worker), balance(user)) == ("completed", (50, 0))


def test_attempts_are_used_up_and_the_hold_goes_back(worker: Worker, user: UUID) -> None:
    """G5, I12."""
    for attempt in range(1, 5):
        assert status(worker) == "queued"
        Worker("generation", task_id(worker.task, attempt), uuid4()).tell("started")
        pass_once()
        pass_once()
    assert (status(worker), balance(user)) == ("failed", (150, 0))
    assert state(worker).job.attempt == 4


def test_a_result_in_the_store_is_found_before_its_attempt_is_ended(
    worker: Worker, user: UUID
) -> None:
    """G6: the worker died between upload and callback; the picture is counted all the same."""
    worker.tell("started")
    worker.upload(picture())
    pass_once()
    assert (status(worker), balance(user)) == ("completed", (50, 0))
    assert worker.tell("complete", announced(picture())).disposition == "duplicate"


def test_a_model_in_the_store_is_found_as_well() -> None:
    artist = new_id()
    style_id, drafting = drafted(artist)
    request = training_of(style_id, artist)
    give(*drafting, granted(artist, 100), request)
    trainer = Worker("training", request.task_id, uuid4())
    trainer.tell("started")
    trainer.upload(model())
    pass_once()
    assert (status(trainer), balance(artist)) == ("completed", (0, 0))
    assert state_of(f"style-{style_id}").is_public


def test_what_is_no_result_ends_nothing_well(worker: Worker) -> None:
    worker.tell("started")
    worker.upload(b"half a pict")
    assert results.found(f"generation-{job_id(worker)}") is None
    pass_once()
    assert status(worker) == "retrying"


def test_a_job_that_nobody_works_on_has_no_result(worker: Worker) -> None:
    assert results.found(f"generation-{job_id(worker)}") is None
    assert results.found(f"generation-{new_id()}") is None


def test_without_a_look_into_the_store_nothing_is_ended(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> bytes:
        raise StoreUnavailable

    worker.tell("started")
    with monkeypatch.context() as broken:
        broken.setattr(type(store()), "read", away)
        pass_once()
    assert status(worker) == "processing"


def test_a_result_that_the_store_refuses_is_none(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> bytes:
        raise StorageError

    worker.tell("started")
    with monkeypatch.context() as broken:
        broken.setattr(type(store()), "read", refused)
        pass_once()
    assert status(worker) == "retrying"


def test_a_timer_that_fails_keeps_no_other_from_its_work(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G5: one poisoned job must not keep the holds of all others."""

    def poisoned() -> list[Any]:
        raise ValueError("a defect")

    worker.tell("started")
    monkeypatch.setattr(timers, "TIMERS", (timers.Timer("bad", poisoned), *timers.TIMERS))
    pass_once()
    assert status(worker) == "retrying"


def test_what_changes_nothing_is_no_reason_to_hurry(worker: Worker) -> None:
    """The projection is behind: the same jobs are found again, and the timers pause."""
    worker.tell("started")
    time.sleep(0.03)
    catch_up()
    assert timers.run_once() == 1
    assert timers.run_once() == 0


def test_a_database_that_is_away_ends_the_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> list[Any]:
        raise OperationalError

    monkeypatch.setattr(timers, "TIMERS", (timers.Timer("away", away),))
    with pytest.raises(OperationalError):
        timers.run_once()


def test_a_heartbeat_keeps_the_task(worker: Worker, settings: LazySettings) -> None:
    worker.tell("started")
    settings.GENERATION_LEASE_SECONDS = 30.0
    terms.cache_clear()
    worker.tell("progress", {"percent": 1})
    pass_once()
    assert status(worker) == "processing"


def test_a_job_that_nobody_began_expires_and_costs_nothing(
    user: UUID, settings: LazySettings
) -> None:
    """G5."""
    settings.GENERATION_START_SECONDS = 0.01
    terms.cache_clear()
    order = order_picture(user, trained_style(new_id(), price=100))
    give(granted(user, 150), order)
    pass_once()
    job = state_of(order.stream).job
    assert (job.status, job.failure_code) == ("expired", "not_started_in_time")
    assert balance(user) == (150, 0)


@pytest.mark.parametrize("is_found", [True, False])
def test_at_the_deadline_the_store_is_looked_at_first(
    user: UUID, settings: LazySettings, is_found: bool
) -> None:
    """G5, G6."""
    settings.GENERATION_LEASE_SECONDS = 30.0
    settings.GENERATION_RUN_SECONDS = 0.02
    terms.cache_clear()
    order = order_picture(user, trained_style(new_id(), price=100))
    give(granted(user, 150), order)
    worker = Worker("generation", order.task_id, uuid4())
    worker.tell("started")
    if is_found:
        worker.upload(picture())
    pass_once()
    assert status(worker) == ("completed" if is_found else "expired")
    assert balance(user) == ((50, 0) if is_found else (150, 0))


def test_a_canceled_job_ends_with_its_lease(worker: Worker, user: UUID) -> None:
    worker.tell("started")
    give(CancelGeneration(generation_id=job_id(worker), user_id=user))
    pass_once()
    assert (status(worker), balance(user)) == ("canceled", (150, 0))


def test_timers_that_run_twice_do_everything_once(worker: Worker) -> None:
    worker.tell("started")
    time.sleep(0.03)
    catch_up()
    both = [threading.Thread(target=run_apart) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    timers.run_once()  # late: the projection has not heard of it yet
    names = [row.type for row in read.stream(f"generation-{job_id(worker)}")]
    assert names.count("AttemptFailed") == names.count("RetryScheduled") == 1


def run_apart() -> None:
    timers.run_once()
    connection.close()


def test_earnings_clear_once_and_only_when_they_were_not_refunded(user: UUID) -> None:
    """I8."""
    artist = new_id()
    style_id = trained_style(artist, price=100)
    orders = [order_picture(user, style_id) for _ in range(2)]
    give(granted(user, 200), *orders)
    for order in orders:
        worker = Worker("generation", order.task_id, uuid4())
        worker.tell("started")
        worker.upload(picture())
        worker.tell("complete", announced(picture()))
    give(RefundGeneration(generation_id=orders[0].generation_id, reason="broken_image"))
    pass_once()
    pass_once()
    assert state_of(orders[0].stream).cleared is None
    assert state_of(orders[1].stream).cleared.amount == 90
    with connection.cursor() as cursor:
        cursor.execute("select amount from balance where account = %s", [f"artist/{artist}/earned"])
        assert cursor.fetchall() == [(90,)]


def test_a_purchase_that_nobody_paid_expires(user: UUID) -> None:
    start = StartPurchase(purchase_id=new_id(user), user_id=user, package="starter")
    give(start)
    pass_once()
    assert state_of(start.stream).status == "expired"


def test_expired_tokens_leave_the_wallet(user: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    today = datetime.now(UTC).date()
    give(granted(user, 10, f"promo@{today.isoformat()}"), granted(user, 5))
    assert timers._expired_tokens() == []

    class Tomorrow(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "Tomorrow":
            return cls.fromtimestamp(time.time() + 86_400, tz)

    monkeypatch.setattr(timers, "datetime", Tomorrow)
    (command,) = timers._expired_tokens()
    assert command.user_id == user
    pass_once()  # by the database's own clock the day is not over: nothing moves
    assert balance(user) == (15, 0)
    assert read.expiring_owners(today + timedelta(days=1), 10) == [user]


def test_the_process_waits_out_an_outage_and_ends_when_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stop, passes = threading.Event(), []

    def failing(_: threading.Event) -> int:
        passes.append(1)
        if len(passes) == 1:
            raise OperationalError("away")
        stop.set()
        return 0

    monkeypatch.setattr(timers, "run_once", failing)
    timers.run(stop)
    assert len(passes) == 2


def test_a_pass_that_was_told_to_end_fires_nothing_more(worker: Worker) -> None:
    worker.tell("started")
    time.sleep(0.03)
    catch_up()
    stop = threading.Event()
    stop.set()
    assert timers.run_once(stop) == 0
    assert status(worker) == "processing"
