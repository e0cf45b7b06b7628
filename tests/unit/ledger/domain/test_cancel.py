"""Cancel: a waiting job ends at once, a running one is asked, an ended one is told."""

from typing import Any
from uuid import UUID

import pytest

from ledger.domain import cancel, money
from ledger.domain.cancel import CancelPreview, CancelTraining, preview
from ledger.domain.change import Change, Disposition
from ledger.domain.errors import (
    AlreadyCompleted,
    AlreadyEnded,
    UnknownGeneration,
    UnknownTraining,
)
from ledger.domain.generation import GenerationState
from ledger.domain.job import HoldStatus, JobStatus
from ledger.domain.money import PAID
from ledger.domain.training import TrainingState
from tests.unit.ledger.domain.stories import (
    ARTIST,
    LATER,
    PICTURE_STREAM,
    STRANGER,
    STYLE,
    TASK,
    TRAINING,
    USER,
    after_picture,
    after_training,
    cancel_picture,
    complete_picture,
    completed_picture,
    completed_training,
    events,
    failed_picture,
    keys,
    moved,
    names,
    order_picture,
    order_training,
    queued_picture,
    queued_training,
    requeued_picture,
    retrying_picture,
    running_picture,
    running_training,
)


def cancel_training(state: TrainingState | None, **given: Any) -> list[Change]:
    command = CancelTraining(
        **{"training_id": TRAINING, "style_id": STYLE, "user_id": ARTIST, **given}
    )
    return cancel.cancel_training(command, now=LATER, training=state)


@pytest.mark.parametrize("state", [queued_picture(), retrying_picture(), requeued_picture()])
def test_a_waiting_job_is_canceled_at_once_and_costs_nothing(state: GenerationState) -> None:
    """G5, I12."""
    changes = cancel_picture(state)
    assert names(changes) == ["GenerationCanceled", "HoldReleased"]
    assert not events(changes)[0].is_confirmed_by_worker
    assert moved([*order_picture(), *changes]) == {}
    assert keys(changes) == [f"{PICTURE_STREAM}:release"]
    job = after_picture(state, changes).job
    assert (job.status, job.hold) == (JobStatus.CANCELED, HoldStatus.RELEASED)


def test_the_worker_of_a_running_job_is_asked_once_and_nothing_moves_yet() -> None:
    running = running_picture()
    changes = cancel_picture(running)
    assert names(changes) == ["CancelRequested"]
    assert events(changes)[0].task_id == TASK
    assert moved(changes) == {}
    asked = after_picture(running, changes)
    assert asked.job.is_cancel_requested
    assert cancel_picture(asked) == []


def test_a_result_that_comes_before_the_worker_stops_counts() -> None:
    running = running_picture()
    asked = after_picture(running, cancel_picture(running))
    decision = complete_picture(asked)
    assert decision.disposition is Disposition.APPLIED
    assert moved(decision)[money.held(USER), PAID] == -100
    with pytest.raises(AlreadyCompleted):
        cancel_picture(after_picture(asked, decision))


def test_a_canceled_job_takes_no_result() -> None:
    """G9, I12."""
    canceled = after_picture(queued_picture(), cancel_picture(queued_picture()))
    assert complete_picture(canceled).disposition is Disposition.LATE_IGNORED
    assert complete_picture(canceled).changes == ()


def test_an_ended_job_cannot_be_canceled_and_says_how_it_ended() -> None:
    canceled = after_picture(queued_picture(), cancel_picture(queued_picture()))
    for state, outcome in ((failed_picture(), "failed"), (canceled, "canceled")):
        with pytest.raises(AlreadyEnded) as refusal:
            cancel_picture(state)
        assert refusal.value.details == {"outcome": outcome}


def test_only_the_owner_may_cancel() -> None:
    """G13."""
    for picture in (None, queued_picture()):
        with pytest.raises(UnknownGeneration):
            cancel_picture(picture, user_id=STRANGER)
    for state in (None, queued_training()):
        with pytest.raises(UnknownTraining):
            cancel_training(state, user_id=STRANGER)
    with pytest.raises(UnknownTraining):
        cancel_training(queued_training(), style_id=UUID(int=0xB9))


def test_a_canceled_training_gives_its_images_free() -> None:
    changes = cancel_training(queued_training())
    assert names(changes) == ["TrainingCanceled", "HoldReleased", "DatasetUnlocked"]
    assert events(changes)[-1].outcome == "canceled"
    assert moved([*order_training(), *changes]) == {}
    state = after_training(queued_training(), changes)
    assert state.job.status is JobStatus.CANCELED


def test_a_running_training_is_asked_and_a_completed_one_stays() -> None:
    assert names(cancel_training(running_training())) == ["CancelRequested"]
    with pytest.raises(AlreadyCompleted):
        cancel_training(completed_training()[1])


@pytest.mark.parametrize(
    ("state", "is_cancelable", "released", "at_stake"),
    [
        (queued_picture(), True, 100, 0),
        (retrying_picture(), True, 100, 0),
        (running_picture(), True, 0, 100),
        (completed_picture(), False, 0, 0),
        (failed_picture(), False, 0, 0),
    ],
)
def test_a_preview_says_what_a_cancel_would_give_back(
    state: GenerationState, is_cancelable: bool, released: int, at_stake: int
) -> None:
    assert preview(state.job) == CancelPreview(
        is_cancelable=is_cancelable,
        is_immediate=released > 0,
        released=released,
        at_stake=at_stake,
    )


@pytest.mark.parametrize("state", [queued_picture(), retrying_picture()])
def test_a_cancel_gives_back_exactly_what_its_preview_promised(state: GenerationState) -> None:
    given_back = moved(cancel_picture(state))[money.available(USER), PAID]
    assert given_back == preview(state.job).released
