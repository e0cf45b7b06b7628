"""A style's model: ordered on locked images, made by a worker, paid to the platform."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ledger.domain import dataset, money, training
from ledger.domain.change import Decision, Disposition
from ledger.domain.errors import (
    IdTaken,
    InsufficientTokens,
    NotTheOwner,
    ParameterOutOfRange,
    StyleAlreadyTrained,
    StyleInactive,
    TooFewImages,
    TooManyImages,
    TrainingInProgress,
    UnknownStyle,
    UnknownTask,
)
from ledger.domain.events import AccountClosed
from ledger.domain.job import HoldStatus, JobStatus
from ledger.domain.money import PAID, PROMO
from ledger.domain.training import (
    Checkpoint,
    CompleteTraining,
    ProgressTraining,
    RequestTraining,
    StartTraining,
    TrainingState,
)
from tests.unit.ledger.domain.stories import (
    ARTIST,
    MODEL,
    NOW,
    OF_TRAINING,
    OTHER_CLAIM,
    STRANGER,
    STYLE,
    TASK,
    TERMS,
    TRAINING,
    TRAINING_STREAM,
    UUID,
    after_training,
    completed_training,
    draft,
    events,
    fail_training,
    fold,
    images,
    keys,
    moved,
    names,
    order_training,
    queued_training,
    running_training,
    trained,
)


def request(**given: Any) -> RequestTraining:
    defaults = {"style_id": STYLE, "artist_id": ARTIST, "task_id": TASK, "seed": 7}
    return RequestTraining(**{"training_id": TRAINING, **defaults, **given})


def start(state: TrainingState | None, **given: Any) -> Decision:
    command = StartTraining(**{**OF_TRAINING, "sequence": 1, **given})
    return training.start_training(command, now=NOW, terms=TERMS, training=state)


def progress(state: TrainingState | None, percent: int, sequence: int = 2) -> Decision:
    command = ProgressTraining(
        **OF_TRAINING, percent=percent, sequence=sequence, epoch=percent * 2, total_epochs=200
    )
    return training.progress_training(command, terms=TERMS, training=state)


def complete(state: TrainingState | None, **given: Any) -> Decision:
    command = CompleteTraining(**{**OF_TRAINING, **MODEL, "sequence": 9, **given})
    return training.complete_training(command, training=state)


def locked() -> dataset.DatasetState:
    return fold(dataset.evolve, order_training(), f"dataset-{STYLE}", images(10))


def test_a_training_holds_its_cost_and_locks_its_images() -> None:
    """G4."""
    changes = order_training(available={PROMO: 30, PAID: 150})
    assert names(changes) == ["TrainingRequested", "TokensHeld", "DatasetLocked"]
    assert keys(changes) == [f"{TRAINING_STREAM}:hold"]
    requested, held, lock = events(changes)
    assert requested.price == held.amount == 100
    assert held.colours == ((PROMO, 30), (PAID, 70))
    assert lock.manifest_sha256 == requested.manifest_sha256 == images(10).manifest_sha256
    assert requested.images == tuple(images(10).images)
    assert requested.start_by_at == NOW + timedelta(hours=6)
    assert requested.deadline_at == NOW + timedelta(hours=24)
    assert locked().locked_by == TRAINING


def test_expired_tokens_that_a_training_meets_leave_the_wallet_first() -> None:
    changes = order_training(available={"promo@2027-01-30": 500, PAID: 100})
    assert names(changes)[0] == "TokensExpired"


def test_a_training_that_the_balance_does_not_cover_writes_nothing() -> None:
    with pytest.raises(InsufficientTokens):
        order_training(available={PAID: 99})


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({"style": None}, UnknownStyle),
        ({"command": request(artist_id=STRANGER)}, UnknownStyle),
        ({"style": trained(), "command": request(artist_id=STRANGER)}, NotTheOwner),
        ({"style": trained()}, StyleAlreadyTrained),
        ({"style": replace(draft(), is_active=False)}, StyleInactive),
        ({"dataset": None}, TooFewImages),
        ({"dataset": images(9)}, TooFewImages),
        ({"dataset": images(101)}, TooManyImages),
        ({"dataset": locked()}, TrainingInProgress),
        ({"command": request(epochs=0)}, ParameterOutOfRange),
        ({"command": request(epochs=10_001)}, ParameterOutOfRange),
        ({"command": request(seed=-1)}, ParameterOutOfRange),
        ({"training": queued_training()}, IdTaken),
    ],
)
def test_a_training_that_breaks_a_rule_is_refused(given: dict[str, Any], refusal: Any) -> None:
    with pytest.raises(refusal):
        order_training(**given)


def test_ten_and_a_hundred_images_are_enough_and_not_too_many() -> None:
    assert order_training(dataset=images(10))
    assert order_training(dataset=images(100))


def test_a_training_can_be_asked_for_again_after_a_failure() -> None:
    decision = fail_training(running_training())
    unlocked = fold(dataset.evolve, decision.changes, f"dataset-{STYLE}", locked())
    assert unlocked.locked_by is None
    again = request(training_id=UUID(int=0xB9))
    assert names(order_training(dataset=unlocked, command=again))[0] == "TrainingRequested"


def test_the_first_claim_starts_the_training() -> None:
    decision = start(queued_training())
    (event,) = events(decision)
    assert event.leased_until_at == NOW + timedelta(seconds=120)
    assert event.deadline_at == NOW + timedelta(hours=24)
    assert after_training(queued_training(), decision).job.status is JobStatus.PROCESSING
    assert start(running_training(), claim=OTHER_CLAIM).disposition is Disposition.STALE


def test_each_new_tenth_is_an_event_with_its_epoch() -> None:
    running = running_training()
    assert progress(running, percent=5) == Decision(disposition=Disposition.APPLIED)
    decision = progress(running, percent=45)
    assert names(decision) == ["TrainingProgressed"]
    state = after_training(running, decision)
    assert (state.epoch, state.total_epochs, state.job.percent) == (90, 200, 45)
    assert progress(state, percent=60, sequence=2).disposition is Disposition.STALE


def checkpoint(
    state: TrainingState, epoch: int, *, percent: int = 5, sequence: int = 2, most: int = 100
) -> Decision:
    given = Checkpoint(epoch=epoch, key=f"checkpoints/{epoch}", sha256="e" * 64, bytes=3)
    command = ProgressTraining(**OF_TRAINING, percent=percent, sequence=sequence, checkpoint=given)
    terms = replace(TERMS, max_checkpoints=most)
    return training.progress_training(command, terms=terms, training=state)


def test_a_checkpoint_is_kept_with_or_without_a_new_tenth() -> None:
    running = running_training()
    assert names(checkpoint(running, 50, percent=25)) == [
        "TrainingCheckpointed", "TrainingProgressed",
    ]  # fmt: skip
    decision = checkpoint(running, 50)
    assert (names(decision), moved(decision)) == (["TrainingCheckpointed"], {})
    state = after_training(running, decision)
    assert (state.checkpoints, state.job.sequence) == (1, 2)
    assert state.job.checkpoint == events(decision)[0]
    assert checkpoint(state, 60) == Decision(disposition=Disposition.STALE)


def test_a_checkpoint_that_is_no_further_than_the_last_is_a_heartbeat() -> None:
    state = after_training(running_training(), checkpoint(running_training(), 50))
    for epoch in (49, 50):
        assert not training.takes_checkpoint(state, epoch=epoch, terms=TERMS)
        again = checkpoint(state, epoch, sequence=3)
        assert again == Decision(disposition=Disposition.APPLIED)
    assert training.takes_checkpoint(state, epoch=51, terms=TERMS)
    assert names(checkpoint(state, 51, sequence=3)) == ["TrainingCheckpointed"]


def test_a_training_has_no_more_checkpoints_than_it_may() -> None:
    state = running_training()
    for number in (1, 2):
        state = after_training(state, checkpoint(state, number, sequence=number + 1, most=2))
    third = checkpoint(state, 3, sequence=4, most=2)
    assert third == Decision(disposition=Disposition.APPLIED)


def test_a_checkpoint_with_progress_out_of_range_is_not_kept() -> None:
    with pytest.raises(ParameterOutOfRange):
        checkpoint(running_training(), 50, percent=101)


def test_a_training_that_is_tried_again_keeps_its_images_locked() -> None:
    decision = fail_training(running_training(), is_retryable=True)
    assert names(decision) == ["AttemptFailed", "RetryScheduled"]
    retrying = after_training(running_training(), decision)
    assert retrying.job.status is JobStatus.RETRYING


def test_a_completed_training_pays_the_platform_and_gives_the_style_its_model() -> None:
    """G5, I6: the artist earns nothing from their own training."""
    decision, state = completed_training()
    assert names(decision) == [
        "TrainingCompleted",
        "HoldCaptured",
        "DatasetUnlocked",
        "StyleTrained",
    ]
    assert moved(decision) == {(money.held(ARTIST), PAID): -100, (money.REVENUE, PAID): 100}
    completed, captured, unlocked, style_trained = events(decision)
    assert (captured.artist_id, captured.clears_at) == (None, None)
    assert unlocked.outcome == "completed"
    assert (style_trained.model_key, style_trained.image_count) == ("models/1", 10)
    assert state.result == completed
    assert (state.job.status, state.job.hold) == (JobStatus.COMPLETED, HoldStatus.CAPTURED)
    assert trained().is_public


def test_the_same_completion_again_changes_nothing() -> None:
    """G7, G9."""
    _, state = completed_training()
    assert complete(state) == Decision(disposition=Disposition.DUPLICATE)
    assert complete(state, sha256="c" * 64) == Decision(disposition=Disposition.LATE_IGNORED)


def test_a_failed_training_gives_the_hold_back_and_unlocks_the_images() -> None:
    """G5."""
    decision = fail_training(running_training())
    assert names(decision) == ["TrainingFailed", "HoldReleased", "DatasetUnlocked"]
    assert moved([*order_training(), *decision.changes]) == {}
    assert events(decision)[-1].outcome == "failed"
    state = after_training(running_training(), decision)
    assert (state.job.status, state.job.hold) == (JobStatus.FAILED, HoldStatus.RELEASED)
    assert fail_training(state) == Decision(disposition=Disposition.JOB_CLOSED)


def test_a_report_about_no_training_or_another_styles_is_refused() -> None:
    for report in (start, complete, fail_training, lambda state: progress(state, percent=1)):
        with pytest.raises(UnknownTask):
            report(None)
    with pytest.raises(UnknownTask):
        complete(running_training(), style_id=UUID(int=0xBB))


def test_a_training_begins_with_its_request() -> None:
    assert training.evolve(None, AccountClosed(user_id=ARTIST, reason="owner"), NOW) is None
