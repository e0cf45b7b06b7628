"""Attempts: tried again after a pause, fenced from each other, ended by leases and deadlines."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain import attempt, generation, training
from ledger.domain.attempt import EndLease, ExpireJob, QueueAttempt
from ledger.domain.change import Change, Decision, Disposition
from ledger.domain.generation import GenerationState, StartGeneration
from ledger.domain.job import HoldStatus, JobStatus
from ledger.domain.training import Checkpoint, ProgressTraining
from tests.unit.ledger.domain.stories import (
    LATER,
    NOW,
    OF_GENERATION,
    OF_TRAINING,
    OTHER_CLAIM,
    OTHER_TASK,
    OTHER_WORKER,
    PICTURE_STREAM,
    STYLE,
    TASK,
    TERMS,
    TEXT,
    TRAINING_STREAM,
    UUID,
    after_picture,
    after_training,
    cancel_picture,
    complete_picture,
    completed_picture,
    events,
    fail_picture,
    fail_training,
    failed_picture,
    keys,
    moved,
    names,
    order_picture,
    order_training,
    queue_attempt,
    queued_picture,
    queued_training,
    requeued_picture,
    retrying_picture,
    running_picture,
    running_training,
)

LEASE_END = NOW + timedelta(seconds=60)
DEADLINE = NOW + timedelta(minutes=10)  # of a picture that was started at NOW
MOMENT = timedelta(microseconds=1)
MUCH_LATER = NOW + timedelta(days=365)


def end_lease(state: Any, now: datetime, **given: Any) -> list[Change]:
    command = EndLease(**{"stream": PICTURE_STREAM, "style_id": STYLE, "task_id": TASK, **given})
    return attempt.end_lease(command, now=now, terms=TERMS, state=state)


def expire(state: Any, now: datetime, stream: str = PICTURE_STREAM) -> list[Change]:
    return attempt.expire_job(ExpireJob(stream=stream, style_id=STYLE), now=now, state=state)


def restarted_picture() -> GenerationState:
    """A picture whose second attempt is in another worker's hands."""
    state = requeued_picture()
    report = {"task_id": OTHER_TASK, "claim": OTHER_CLAIM, "worker_id": OTHER_WORKER}
    command = StartGeneration(**{**OF_GENERATION, **report}, sequence=1)
    decision = generation.start_generation(command, now=LATER, terms=TERMS, generation=state)
    return after_picture(state, decision)


def asked_to_cancel() -> GenerationState:
    running = running_picture()
    return after_picture(running, cancel_picture(running))


def test_a_retryable_failure_is_tried_again_after_a_pause_and_moves_nothing() -> None:
    running = running_picture()
    decision = fail_picture(running, is_retryable=True, code="out_of_memory", message=TEXT)
    assert names(decision) == ["AttemptFailed", "RetryScheduled"]
    assert moved(decision) == {}
    failed, retry = events(decision)
    assert (failed.attempt, failed.code, failed.message) == (1, "out_of_memory", TEXT)
    assert (retry.attempt, retry.due_at) == (2, LATER + timedelta(seconds=5))
    job = after_picture(running, decision).job
    assert (job.status, job.hold, job.retry_at) == (
        JobStatus.RETRYING,
        HoldStatus.OPEN,
        retry.due_at,
    )


@pytest.mark.parametrize(("number", "seconds"), [(1, 5), (2, 30), (3, 120)])
def test_each_pause_of_a_generation_is_longer(number: int, seconds: int) -> None:
    running = running_picture()
    running = replace(running, job=replace(running.job, attempt=number))
    retry = events(fail_picture(running, is_retryable=True, now=NOW))[1]
    assert retry.due_at == NOW + timedelta(seconds=seconds)


def test_a_training_waits_longer_than_a_generation() -> None:
    retry = events(fail_training(running_training(), is_retryable=True))[1]
    assert retry.due_at == LATER + timedelta(minutes=1)


def test_the_fourth_failure_is_final() -> None:
    """G5: retries end, and the hold goes back."""
    running = running_picture()
    fourth = replace(running, job=replace(running.job, attempt=4))
    decision = fail_picture(fourth, is_retryable=True)
    assert names(decision) == ["GenerationFailed", "HoldReleased"]
    assert moved([*order_picture(), *decision.changes]) == {}


def test_no_pause_ends_at_or_after_the_deadline() -> None:
    running = running_picture()
    last = DEADLINE - timedelta(seconds=5)
    assert names(fail_picture(running, is_retryable=True, now=last - MOMENT))[0] == "AttemptFailed"
    assert names(fail_picture(running, is_retryable=True, now=last))[0] == "GenerationFailed"


def pause_of(task_id: UUID) -> timedelta:
    running = running_picture()
    running = replace(running, job=replace(running.job, task_id=task_id))
    decision = fail_picture(running, task_id=task_id, is_retryable=True, now=NOW)
    due_at: datetime = events(decision)[1].due_at
    return due_at - NOW


@given(task_id=st.uuids())
def test_a_pause_is_stretched_by_a_quarter_at_most(task_id: UUID) -> None:
    assert timedelta(seconds=5) <= pause_of(task_id) <= timedelta(seconds=6.25)


def test_jobs_that_fail_together_come_back_apart() -> None:
    assert pause_of(UUID(int=1 << 54)) != pause_of(UUID(int=1 << 55))


def test_a_failure_after_a_request_to_cancel_cancels() -> None:
    decision = fail_picture(asked_to_cancel(), is_retryable=True)
    assert names(decision) == ["GenerationCanceled", "HoldReleased"]
    assert events(decision)[0].is_confirmed_by_worker


def test_a_lease_ends_after_its_last_moment_and_the_attempt_with_it() -> None:
    running = running_picture()
    assert end_lease(running, LEASE_END) == []
    changes = end_lease(running, LEASE_END + MOMENT)
    assert names(changes) == ["AttemptFailed", "RetryScheduled"]
    failed = events(changes)[0]
    assert (failed.code, failed.claim, failed.worker_id) == ("lease_expired", None, None)


def test_a_lease_of_an_older_attempt_does_not_end_the_newest() -> None:
    restarted = restarted_picture()
    assert end_lease(restarted, MUCH_LATER, task_id=TASK) == []
    assert end_lease(restarted, MUCH_LATER, task_id=OTHER_TASK)


def test_a_lease_that_ends_after_a_request_to_cancel_cancels_unconfirmed() -> None:
    changes = end_lease(asked_to_cancel(), MUCH_LATER)
    assert names(changes) == ["GenerationCanceled", "HoldReleased"]
    assert not events(changes)[0].is_confirmed_by_worker
    assert moved([*order_picture(), *changes]) == {}


def test_the_next_attempt_is_queued_when_its_pause_is_over_under_a_task_of_its_own() -> None:
    retrying = retrying_picture()
    due_at = NOW + timedelta(seconds=5)
    assert queue_attempt(retrying, due_at - MOMENT) == []
    changes = queue_attempt(retrying, due_at)
    (event,) = events(changes)
    assert (event.attempt, event.task_id) == (2, OTHER_TASK)
    assert event.checkpoint_key is None
    assert event.start_by_at == DEADLINE
    job = after_picture(retrying, changes).job
    assert (job.status, job.attempt, job.retry_at) == (JobStatus.QUEUED, 2, None)


def test_no_attempt_is_queued_once_the_jobs_time_is_over() -> None:
    retrying = retrying_picture()
    assert queue_attempt(retrying, DEADLINE - MOMENT)
    assert queue_attempt(retrying, DEADLINE) == []
    unscheduled = replace(retrying, job=replace(retrying.job, retry_at=None))
    assert queue_attempt(unscheduled, LATER) == []


def test_the_next_attempt_of_a_training_resumes_from_the_last_checkpoint() -> None:
    running = running_training()
    checkpoint = Checkpoint(epoch=50, key="checkpoints/50", sha256="e" * 64, bytes=3)
    command = ProgressTraining(**OF_TRAINING, sequence=2, percent=25, checkpoint=checkpoint)
    progress = training.progress_training(command, terms=TERMS, training=running)
    running = after_training(running, progress)
    retrying = after_training(running, fail_training(running, is_retryable=True))
    timer = QueueAttempt(stream=TRAINING_STREAM, style_id=STYLE, task_id=OTHER_TASK)
    now = LATER + timedelta(hours=1)
    (event,) = events(attempt.queue_attempt(timer, now=now, terms=TERMS, state=retrying))
    assert (event.checkpoint_key, event.checkpoint_sha256) == ("checkpoints/50", "e" * 64)
    assert event.start_by_at == now + timedelta(hours=6)


def test_an_older_attempt_is_fenced_from_the_newest() -> None:
    """G9: its reports move nothing, whatever they say."""
    for state in (retrying_picture(), requeued_picture(), restarted_picture()):
        assert complete_picture(state) == Decision(disposition=Disposition.LATE_IGNORED)
        assert fail_picture(state) == Decision(disposition=Disposition.STALE)


def test_a_job_that_nobody_began_in_time_expires_and_its_hold_goes_back() -> None:
    """G5."""
    queued = queued_picture()
    start_by_at = NOW + timedelta(minutes=15)
    assert expire(queued, start_by_at) == []
    changes = expire(queued, start_by_at + MOMENT)
    assert names(changes) == ["GenerationExpired", "HoldReleased"]
    assert events(changes)[0].code == "not_started_in_time"
    assert moved([*order_picture(), *changes]) == {}
    assert keys(changes) == [f"{PICTURE_STREAM}:release"]
    assert after_picture(queued, changes).job.status is JobStatus.EXPIRED


@pytest.mark.parametrize(
    "state_of", [running_picture, retrying_picture, requeued_picture, restarted_picture]
)
def test_a_started_job_expires_at_its_deadline_whatever_it_is_doing(
    state_of: Callable[[], GenerationState],
) -> None:
    """G5: no retry moves the deadline of the first start."""
    state = state_of()
    assert expire(state, DEADLINE) == []
    changes = expire(state, DEADLINE + MOMENT)
    assert names(changes) == ["GenerationExpired", "HoldReleased"]
    assert events(changes)[0].code == "deadline_exceeded"


def test_a_later_attempt_that_nobody_takes_is_not_ended_by_its_start_time() -> None:
    requeued = requeued_picture()
    requeued = replace(requeued, job=replace(requeued.job, start_by_at=LATER))
    assert expire(requeued, LATER + timedelta(minutes=1)) == []


def test_a_deadline_after_a_request_to_cancel_cancels() -> None:
    changes = expire(asked_to_cancel(), MUCH_LATER)
    assert names(changes) == ["GenerationCanceled", "HoldReleased"]
    assert not events(changes)[0].is_confirmed_by_worker


def test_an_expired_training_gives_its_tokens_and_its_images_back() -> None:
    changes = expire(queued_training(), NOW + timedelta(hours=6, seconds=1), TRAINING_STREAM)
    assert names(changes) == ["TrainingExpired", "HoldReleased", "DatasetUnlocked"]
    assert events(changes)[-1].outcome == "expired"
    assert moved([*order_training(), *changes]) == {}


def canceled_picture() -> GenerationState:
    """A picture that was canceled in the pause before its second attempt."""
    retrying = retrying_picture()
    return after_picture(retrying, cancel_picture(retrying))


def expired_picture() -> GenerationState:
    running = running_picture()
    return after_picture(running, expire(running, MUCH_LATER))


@pytest.mark.parametrize(
    "state_of",
    [lambda: None, completed_picture, failed_picture, canceled_picture, expired_picture],
)
def test_no_timer_changes_a_job_that_has_ended(
    state_of: Callable[[], GenerationState | None],
) -> None:
    """G5: timers may be late or run twice."""
    state = state_of()
    for now in (LATER, MUCH_LATER):
        for timer in (end_lease, queue_attempt, expire):
            assert timer(state, now) == []


@pytest.mark.parametrize(
    ("state_of", "timer"),
    [
        (queued_picture, end_lease),
        (queued_picture, queue_attempt),
        (running_picture, queue_attempt),
        (retrying_picture, end_lease),
        (requeued_picture, end_lease),
        (requeued_picture, queue_attempt),
        (restarted_picture, end_lease),
        (restarted_picture, queue_attempt),
    ],
)
def test_a_timer_of_what_the_job_has_left_behind_changes_nothing(
    state_of: Callable[[], GenerationState], timer: Callable[..., list[Change]]
) -> None:
    for now in (NOW, LATER, DEADLINE - MOMENT, MUCH_LATER):
        assert timer(state_of(), now) == []


@pytest.mark.parametrize(
    ("state", "timer", "now"),
    [
        (running_picture(), end_lease, LATER),
        (retrying_picture(), queue_attempt, LATER),
        (queued_picture(), expire, MUCH_LATER),
    ],
)
def test_a_timer_that_runs_twice_does_its_work_once(
    state: GenerationState, timer: Callable[..., list[Change]], now: datetime
) -> None:
    """G7."""
    changes = timer(state, now)
    assert changes
    assert timer(after_picture(state, changes), now) == []
