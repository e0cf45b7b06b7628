"""Attempts: how one ends without a result, when the next is due, and what the timers do about it.

A timer's command on a job that has moved on changes nothing, so timers may be late or run twice.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from ledger.domain.change import Change
from ledger.domain.ending import JobState, canceled, expired, failed
from ledger.domain.events import (
    AttemptFailed,
    AttemptQueued,
    GenerationRequested,
    RetryScheduled,
    Sealed,
)
from ledger.domain.job import Job, JobStatus
from ledger.domain.terms import JobLimits, Terms

LEASE_EXPIRED = "lease_expired"
NOT_STARTED = "not_started_in_time"
DEADLINE_EXCEEDED = "deadline_exceeded"
JITTER = 0.25  # the largest part of a pause that is added to it


@dataclass(frozen=True, kw_only=True, slots=True)
class JobTimer:
    """What a timer found due about the job of `stream`; its style names a training's images."""

    stream: str
    style_id: UUID


@dataclass(frozen=True, kw_only=True, slots=True)
class EndLease(JobTimer):
    """The worker was not heard of in time, its heartbeats included."""

    task_id: UUID


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueAttempt(JobTimer):
    """The pause before the next attempt is over; `task_id` names that attempt."""

    task_id: UUID


@dataclass(frozen=True, kw_only=True, slots=True)
class ExpireJob(JobTimer):
    """A deadline of the job is over, and the store holds no result."""


def attempt_failed(
    state: JobState,
    *,
    stream: str,
    code: str,
    message: Sealed | None = None,
    claim: UUID | None = None,
    worker_id: UUID | None = None,
    is_retryable: bool,
    terms: Terms,
    now: datetime,
) -> list[Change]:
    """End the attempt: the job is canceled if that was asked for, tried again, or fails.

    `claim` and `worker_id` are None where no worker spoke.
    """
    if state.job.is_cancel_requested:
        return canceled(state, stream=stream, is_confirmed_by_worker=claim is not None, now=now)
    due_at = _next_due_at(state.job, limits(state, terms=terms), now) if is_retryable else None
    if due_at is None:
        return failed(
            state,
            stream=stream,
            code=code,
            message=message,
            claim=claim,
            worker_id=worker_id,
            now=now,
        )
    attempt = AttemptFailed(
        user_id=state.job.user_id,
        attempt=state.job.attempt,
        task_id=state.job.task_id,
        claim=claim,
        worker_id=worker_id,
        code=code,
        message=message,
    )
    retry = RetryScheduled(user_id=state.job.user_id, attempt=state.job.attempt + 1, due_at=due_at)
    return [Change(stream, attempt), Change(stream, retry)]


def limits(state: JobState, *, terms: Terms) -> JobLimits:
    """Return how long the job may take."""
    is_generation = isinstance(state.request, GenerationRequested)
    return terms.generation if is_generation else terms.training


def _next_due_at(job: Job, its: JobLimits, now: datetime) -> datetime | None:
    """Return when the next attempt is due; None when attempts or time are used up.

    The jitter is drawn from the job's own id: jobs that fail together come back apart.
    """
    if job.attempt > len(its.retry_seconds):
        return None
    pause = its.retry_seconds[job.attempt - 1]
    drawn = int.from_bytes(job.task_id.bytes[9:13]) / 2**32
    due_at = now + timedelta(seconds=pause * (1 + JITTER * drawn))
    return due_at if due_at < job.deadline_at else None


def end_lease(
    command: EndLease, *, now: datetime, terms: Terms, state: JobState | None
) -> list[Change]:
    """End the attempt of a worker that was not heard of; the next one is fenced from it."""
    job = state.job if state else None
    if state is None or job is None or job.status is not JobStatus.PROCESSING:
        return []
    if job.task_id != command.task_id or job.leased_until_at is None or now <= job.leased_until_at:
        return []
    return attempt_failed(
        state,
        stream=command.stream,
        code=LEASE_EXPIRED,
        is_retryable=True,
        terms=terms,
        now=now,
    )


def queue_attempt(
    command: QueueAttempt, *, now: datetime, terms: Terms, state: JobState | None
) -> list[Change]:
    """Queue the next attempt once its pause is over, under a task id of its own."""
    job = state.job if state else None
    if state is None or job is None or job.status is not JobStatus.RETRYING:
        return []
    if job.retry_at is None or now < job.retry_at or now >= job.deadline_at:
        return []
    checkpoint = job.checkpoint
    start_by_at = now + timedelta(seconds=limits(state, terms=terms).start_seconds)
    event = AttemptQueued(
        user_id=job.user_id,
        attempt=job.attempt + 1,
        task_id=command.task_id,
        start_by_at=min(start_by_at, job.deadline_at),
        checkpoint_key=checkpoint.key if checkpoint else None,
        checkpoint_sha256=checkpoint.sha256 if checkpoint else None,
    )
    return [Change(command.stream, event)]


def expire_job(command: ExpireJob, *, now: datetime, state: JobState | None) -> list[Change]:
    """End a job that nobody began in time, or whose whole time is over, and release its hold."""
    job = state.job if state else None
    if state is None or job is None or job.is_terminal:
        return []
    if now > job.deadline_at:
        code = DEADLINE_EXCEEDED
    elif job.status is JobStatus.QUEUED and job.started_at is None and now > job.start_by_at:
        code = NOT_STARTED
    else:
        return []
    if job.is_cancel_requested:
        return canceled(state, stream=command.stream, is_confirmed_by_worker=False, now=now)
    return expired(state, stream=command.stream, code=code, now=now)
