"""Objects that nobody can need any more are cleared away; all others stay."""

import time
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from consumers import sweep as sweeping
from consumers import timers
from consumers.sweep import sweep
from core.ids import job_id_of, new_id
from core.storage import ObjectMissing, StorageError, StoreUnavailable, local_store, store
from ledger.objects import checkpoint_upload_key, task_upload_key
from tests.jobs import (
    Worker,
    announced,
    drafted,
    give,
    granted,
    order_picture,
    picture,
    state_of,
    trained_style,
    training_of,
)

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def user() -> UUID:
    return new_id()


@pytest.fixture
def style() -> UUID:
    return trained_style(new_id())


def is_there(key: str) -> bool:
    try:
        store().read(key, 10_000_000)
    except ObjectMissing:
        return False
    return True


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that lets the sweep believe that it is so many hours later."""

    def believe(hours: float) -> None:
        now = timezone.now() + timedelta(hours=hours)
        monkeypatch.setattr(sweeping.timezone, "now", lambda: now)

    return believe


def painted(user: UUID, style: UUID) -> Worker:
    give(granted(user, 100), order := order_picture(user, style))
    worker = Worker("generation", order.task_id, uuid4())
    worker.tell("started")
    worker.upload(picture())
    worker.tell("complete", announced(picture()))
    return worker


def test_an_upload_goes_when_its_links_are_dead_and_the_result_stays(
    user: UUID, style: UUID, later: Any
) -> None:
    """G6."""
    worker = painted(user, style)
    upload = task_upload_key(worker.task)
    later(25)
    sweep()
    assert is_there(upload)
    later(27)

    assert not sweep()

    assert not is_there(upload)
    result = state_of(f"generation-{job_id_of(worker.task)}").result
    assert is_there(result.key)


def test_a_trainings_checkpoints_go_with_its_uploads(later: Any) -> None:
    artist = new_id()
    style_id, drafting = drafted(artist)
    give(*drafting, granted(artist, 100), request := training_of(style_id, artist))
    worker = Worker("training", request.task_id, uuid4())
    worker.tell("started")
    said = worker.save(b"weights", epoch=9)
    worker.tell("progress", {"percent": 10, "checkpoint": said})
    later(27)
    sweep()
    assert not is_there(checkpoint_upload_key(worker.task))
    assert is_there(state_of(request.stream).job.checkpoint.key)


def test_a_late_result_goes_after_its_day(
    user: UUID, style: UUID, later: Any, settings: Settings
) -> None:
    """G9: kept apart for a day, and no longer."""
    give(granted(user, 100), order := order_picture(user, style))
    worker = Worker("generation", order.task_id, uuid4())
    worker.tell("started")
    worker.tell("failed", {"code": "bad_input", "retryable": False})
    worker.upload(picture())
    assert worker.tell("complete", announced(picture())).disposition == "late_ignored"
    (late,) = state_of(order.stream).job.late
    later(23.9)
    sweep()
    assert is_there(late.key)
    later(27)
    sweep()
    assert not is_there(late.key)


def test_an_event_that_is_not_due_holds_back_those_after_it(
    user: UUID, style: UUID, later: Any, settings: Settings
) -> None:
    first = painted(user, style)
    sweep()
    stands = swept()
    second = painted(user, style)
    assert not sweep()
    assert swept() == stands
    later(27)
    sweep()
    assert swept() != stands
    assert not any(is_there(task_upload_key(one.task)) for one in (first, second))


def swept() -> dict[int, int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT shard, position FROM swept_shard")
        return dict(cursor.fetchall())


def test_a_pass_ends_where_its_budget_does_and_says_that_there_is_more(
    user: UUID, style: UUID, later: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers = [painted(user, style) for _ in range(3)]
    monkeypatch.setattr(sweeping, "MOST_OBJECTS", 1)
    later(27)

    def left() -> int:
        return sum(is_there(task_upload_key(one.task)) for one in workers)

    counts = []
    while sweep():
        counts.append(left())
    assert all(earlier - now <= 1 for earlier, now in pairwise([3, *counts]))
    assert left() == 0


@pytest.mark.parametrize(
    ("outcome", "pause"),
    [
        pytest.param(False, timers.CLEAR_SECONDS, id="done"),
        pytest.param(True, 0.0, id="behind"),
        pytest.param(StoreUnavailable(), timers.CLEAR_SECONDS, id="store away"),
        pytest.param(StorageError(), timers.CLEAR_SECONDS, id="store refuses"),
    ],
)
def test_the_timers_come_back_at_once_only_where_there_is_more(
    monkeypatch: pytest.MonkeyPatch, outcome: bool | Exception, pause: float
) -> None:
    def swept_so() -> bool:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(timers, "sweep", swept_so)
    monkeypatch.setattr(timers, "_clear_at", 0.0)
    begun = time.monotonic()
    timers._clear_objects()
    assert begun + pause <= timers._clear_at <= time.monotonic() + pause


def test_a_store_that_does_not_answer_is_asked_again(
    user: UUID, style: UUID, later: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = painted(user, style)
    later(27)
    with monkeypatch.context() as broken:

        def refuse(*_: object) -> None:
            raise StoreUnavailable

        broken.setattr(type(local_store()), "delete", refuse)
        with pytest.raises(StoreUnavailable):
            sweep()
    sweep()
    assert not is_there(task_upload_key(worker.task))
