"""Jobs: what a training and a generation share between their request and their one end.

(task_id, claim) is the fence: only the newest attempt's bound claim may change the job.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from ledger.domain.change import Disposition
from ledger.domain.errors import ForeignTask, ParameterOutOfRange, UnknownTask
from ledger.domain.events import (
    AttemptFailed,
    AttemptQueued,
    CancelRequested,
    Event,
    GenerationCanceled,
    GenerationCompleted,
    GenerationExpired,
    GenerationFailed,
    GenerationProgressed,
    GenerationRefunded,
    GenerationStarted,
    HoldCaptured,
    HoldReleased,
    LateResultReceived,
    RetryScheduled,
    Sealed,
    TokensHeld,
    TrainingCanceled,
    TrainingCheckpointed,
    TrainingCompleted,
    TrainingExpired,
    TrainingFailed,
    TrainingProgressed,
    TrainingStarted,
)
from ledger.domain.money import Colours


class JobStatus(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    PROCESSING = "processing"
    RETRYING = "retrying"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELED = "canceled"


class HoldStatus(StrEnum):
    """Where the job's tokens are."""

    OPEN = "held"
    CAPTURED = "captured"
    RELEASED = "released"
    REFUNDED = "refunded"


TERMINAL = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.EXPIRED, JobStatus.CANCELED})
RETRYABLE = frozenset({JobStatus.FAILED, JobStatus.EXPIRED})  # what the owner may order again


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One attempt and who bound it; `claim` is None until a worker does."""

    task_id: UUID
    claim: UUID | None
    worker_id: UUID | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A job, folded from its stream; `claim` is None until a worker binds the attempt.

    `past` are the attempts before the newest, `late` the results that came too late.
    """

    user_id: UUID
    task_id: UUID
    requested_at: datetime
    start_by_at: datetime
    deadline_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    status: JobStatus = JobStatus.QUEUED
    attempt: int = 1
    past: tuple[Attempt, ...] = ()
    claim: UUID | None = None
    worker_id: UUID | None = None
    sequence: int = 0
    percent: int = 0
    leased_until_at: datetime | None = None
    retry_at: datetime | None = None
    checkpoint: TrainingCheckpointed | None = None
    late: tuple[LateResultReceived, ...] = ()
    is_cancel_requested: bool = False
    failure_code: str | None = None
    failure_message: Sealed | None = None
    colours: Colours = ()
    hold: HoldStatus = HoldStatus.OPEN

    @property
    def is_terminal(self) -> bool:
        """Whether the job has ended (G5)."""
        return self.status in TERMINAL

    @property
    def is_open_to_workers(self) -> bool:
        """Whether the newest attempt waits for a worker, or is in a worker's hands."""
        return self.status in (JobStatus.QUEUED, JobStatus.PROCESSING)

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """Every attempt so far, the newest last."""
        newest = Attempt(task_id=self.task_id, claim=self.claim, worker_id=self.worker_id)
        return (*self.past, newest)

    def attempt_of(self, task_id: UUID) -> Attempt | None:
        """Return the attempt that `task_id` names."""
        return next((one for one in self.attempts if one.task_id == task_id), None)

    def attempt_number(self, task_id: UUID) -> int:
        """Return which attempt, from 1, `task_id` names. Raises ValueError for none."""
        return [one.task_id for one in self.attempts].index(task_id) + 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What every report of a worker carries; `worker_id` is None under the shared token."""

    task_id: UUID
    claim: UUID
    worker_id: UUID | None
    sequence: int


_STATUS_AFTER: dict[type[Event], JobStatus] = {
    RetryScheduled: JobStatus.RETRYING,
    GenerationCompleted: JobStatus.COMPLETED,
    TrainingCompleted: JobStatus.COMPLETED,
    GenerationFailed: JobStatus.FAILED,
    TrainingFailed: JobStatus.FAILED,
    GenerationExpired: JobStatus.EXPIRED,
    TrainingExpired: JobStatus.EXPIRED,
    GenerationCanceled: JobStatus.CANCELED,
    TrainingCanceled: JobStatus.CANCELED,
}
_HOLD_AFTER: dict[type[Event], HoldStatus] = {
    HoldCaptured: HoldStatus.CAPTURED,
    HoldReleased: HoldStatus.RELEASED,
    GenerationRefunded: HoldStatus.REFUNDED,
}


def evolve(job: Job, event: Event, at: datetime) -> Job:
    """Return the job after `event`, which occurred `at`."""
    if type(event) in _STATUS_AFTER:
        job = _moved(job, _STATUS_AFTER[type(event)], at)
    if type(event) in _HOLD_AFTER:
        job = replace(job, hold=_HOLD_AFTER[type(event)])
    match event:
        case TokensHeld():
            return replace(job, colours=event.colours)
        case GenerationStarted() | TrainingStarted():
            return _started(job, event, at)
        case GenerationProgressed() | TrainingProgressed():
            return replace(job, sequence=event.sequence, percent=event.percent)
        case GenerationFailed() | TrainingFailed() | AttemptFailed():
            return replace(job, failure_code=event.code, failure_message=event.message)
        case GenerationExpired() | TrainingExpired():
            return replace(job, failure_code=event.code, failure_message=None)
        case _:
            return _between_attempts(job, event)


def _between_attempts(job: Job, event: Event) -> Job:
    """Return the job after an event that is of no attempt's own course."""
    match event:
        case RetryScheduled():
            return replace(job, retry_at=event.due_at)
        case AttemptQueued():
            return _queued_again(job, event)
        case TrainingCheckpointed():
            return replace(job, sequence=event.sequence, checkpoint=event)
        case LateResultReceived():
            return replace(job, late=(*job.late, event))
        case CancelRequested():
            return replace(job, is_cancel_requested=True)
        case _:
            return job


def _moved(job: Job, status: JobStatus, at: datetime) -> Job:
    return replace(job, status=status, ended_at=at if status in TERMINAL else None)


def _started(job: Job, event: GenerationStarted | TrainingStarted, at: datetime) -> Job:
    return replace(
        job,
        status=JobStatus.PROCESSING,
        claim=event.claim,
        worker_id=event.worker_id,
        sequence=event.sequence,
        percent=0,
        leased_until_at=event.leased_until_at,
        failure_code=None,
        failure_message=None,
        started_at=job.started_at or at,
        deadline_at=event.deadline_at,
    )


def _queued_again(job: Job, event: AttemptQueued) -> Job:
    return replace(
        job,
        status=JobStatus.QUEUED,
        attempt=event.attempt,
        task_id=event.task_id,
        past=job.attempts,
        claim=None,
        worker_id=None,
        sequence=0,
        percent=0,
        leased_until_at=None,
        retry_at=None,
        start_by_at=event.start_by_at,
    )


def start_refusal(*, job: Job, report: Report) -> Disposition | None:
    """Return why `report` starts nothing, or None when it binds the attempt. Raises UnknownTask."""
    closed = _closed_to(job=job, task_id=report.task_id, is_completion=False)
    if closed is not None or job.claim is None:
        return closed
    return Disposition.DUPLICATE if report.claim == job.claim else Disposition.STALE


def refusal(*, job: Job, report: Report, is_completion: bool = False) -> Disposition | None:
    """Return why `report` of a running attempt changes nothing, or None when it may.

    An attempt that was never started has no claim, so any claim is another one.
    Raises UnknownTask, ForeignTask.
    """
    if _is_foreign(job=job, report=report):
        raise ForeignTask
    closed = _closed_to(job=job, task_id=report.task_id, is_completion=is_completion)
    if closed is not None:
        return closed
    return None if has_fence(job=job, report=report) else Disposition.STALE


def _is_foreign(*, job: Job, report: Report) -> bool:
    attempt = job.attempt_of(report.task_id)
    if attempt is None or attempt.claim is None:
        return False
    return len({attempt.worker_id, report.worker_id} - {None}) == 2


def _closed_to(*, job: Job, task_id: UUID, is_completion: bool) -> Disposition | None:
    if job.attempt_of(task_id) is None:
        raise UnknownTask
    if job.is_open_to_workers and task_id == job.task_id:
        return None
    if is_completion:
        return Disposition.LATE_IGNORED
    return Disposition.JOB_CLOSED if job.is_terminal else Disposition.STALE


def progress_refusal(*, job: Job, report: Report) -> Disposition | None:
    """Return why a report of progress is not heeded: as `refusal`, or it is older than the last."""
    refused = refusal(job=job, report=report)
    if refused is None and report.sequence <= job.sequence:
        return Disposition.STALE
    return refused


def has_fence(*, job: Job, report: Report) -> bool:
    """Return whether `report` comes from the newest attempt's bound claim."""
    return (report.task_id, report.claim) == (job.task_id, job.claim)


def is_new_tenth(*, job: Job, percent: int) -> bool:
    """Return whether `percent` (0-100) deserves an event. Raises ParameterOutOfRange."""
    if not 0 <= percent <= 100:
        raise ParameterOutOfRange(name="percent", minimum=0, maximum=100)
    return percent // 10 > job.percent // 10
