"""How a job ends without a result: failed, expired or canceled, and its whole hold goes back (G5).

Used by the decisions about generations and trainings; both kinds end alike, a training also
gives its images free.
"""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from ledger.domain.change import Change
from ledger.domain.dataset import dataset_stream
from ledger.domain.events import (
    DatasetUnlocked,
    Event,
    GenerationCanceled,
    GenerationExpired,
    GenerationFailed,
    GenerationRequested,
    Sealed,
    TrainingCanceled,
    TrainingExpired,
    TrainingFailed,
    TrainingRequested,
)
from ledger.domain.hold import release
from ledger.domain.job import Job, JobStatus


class JobState(Protocol):
    """A generation or a training, folded from its stream."""

    @property
    def request(self) -> GenerationRequested | TrainingRequested: ...

    @property
    def job(self) -> Job: ...


def failed(
    state: JobState,
    *,
    stream: str,
    code: str,
    message: Sealed | None,
    claim: UUID | None,
    worker_id: UUID | None,
    now: datetime,
) -> list[Change]:
    """End the job for good because its last attempt failed; `code` says why."""
    is_training = isinstance(state.request, TrainingRequested)
    event = (TrainingFailed if is_training else GenerationFailed)(
        user_id=state.job.user_id,
        style_id=state.request.style_id,
        attempt=state.job.attempt,
        task_id=state.job.task_id,
        claim=claim,
        worker_id=worker_id,
        code=code,
        message=message,
    )
    return _ended(state, stream, event, JobStatus.FAILED, now)


def expired(state: JobState, *, stream: str, code: str, now: datetime) -> list[Change]:
    """End the job because its time is over; `code` names the deadline."""
    is_training = isinstance(state.request, TrainingRequested)
    event = (TrainingExpired if is_training else GenerationExpired)(
        user_id=state.job.user_id,
        style_id=state.request.style_id,
        attempt=state.job.attempt,
        task_id=state.job.task_id,
        code=code,
    )
    return _ended(state, stream, event, JobStatus.EXPIRED, now)


def canceled(
    state: JobState, *, stream: str, is_confirmed_by_worker: bool, now: datetime
) -> list[Change]:
    """End the job because its owner asked for it."""
    is_training = isinstance(state.request, TrainingRequested)
    event = (TrainingCanceled if is_training else GenerationCanceled)(
        user_id=state.job.user_id,
        style_id=state.request.style_id,
        attempt=state.job.attempt,
        task_id=state.job.task_id,
        reason="owner",
        is_confirmed_by_worker=is_confirmed_by_worker,
    )
    return _ended(state, stream, event, JobStatus.CANCELED, now)


def unlocked_images(state: JobState, *, stream: str, outcome: JobStatus) -> Change:
    """Give the images of an ended training free."""
    event = DatasetUnlocked(
        artist_id=state.request.user_id, training_id=UUID(stream[-36:]), outcome=outcome.value
    )
    return Change(dataset_stream(state.request.style_id), event)


def _ended(
    state: JobState, stream: str, event: Event, outcome: JobStatus, now: datetime
) -> list[Change]:
    released = release(
        stream=stream,
        user_id=state.job.user_id,
        colours=state.job.colours,
        reason=outcome.value,
        now=now,
    )
    changes = [Change(stream, event), *released]
    if isinstance(state.request, TrainingRequested):
        changes.append(unlocked_images(state, stream=stream, outcome=outcome))
    return changes
