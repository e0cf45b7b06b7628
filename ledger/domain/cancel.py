"""Cancel: the owner wants no result any more; what it would do can be asked before."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledger.domain.change import Change
from ledger.domain.ending import JobState, canceled
from ledger.domain.errors import (
    AlreadyCompleted,
    AlreadyEnded,
    UnknownGeneration,
    UnknownTraining,
)
from ledger.domain.events import CancelRequested
from ledger.domain.generation import GenerationState, generation_stream
from ledger.domain.job import Job, JobStatus
from ledger.domain.training import TrainingState, training_stream


@dataclass(frozen=True, kw_only=True, slots=True)
class CancelGeneration:
    """The payer wants no picture any more."""

    generation_id: UUID
    user_id: UUID

    @property
    def stream(self) -> str:
        """The generation's stream."""
        return generation_stream(self.generation_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class CancelTraining:
    """The artist wants no model any more."""

    training_id: UUID
    style_id: UUID
    user_id: UUID

    @property
    def stream(self) -> str:
        """The training's stream."""
        return training_stream(self.training_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class CancelPreview:
    """What a cancel would do now, in tokens.

    `released` comes back at once; `at_stake` comes back unless the result arrives first.
    """

    is_cancelable: bool
    is_immediate: bool
    released: int
    at_stake: int


def preview(job: Job) -> CancelPreview:
    """Return what canceling `job` would do now."""
    held = sum(amount for _, amount in job.colours)
    is_running = job.status is JobStatus.PROCESSING
    is_immediate = not job.is_terminal and not is_running
    return CancelPreview(
        is_cancelable=not job.is_terminal,
        is_immediate=is_immediate,
        released=held if is_immediate else 0,
        at_stake=held if is_running else 0,
    )


def cancel_generation(
    command: CancelGeneration, *, now: datetime, generation: GenerationState | None
) -> list[Change]:
    """Cancel a picture. Raises UnknownGeneration, AlreadyCompleted, AlreadyEnded."""
    if generation is None or generation.job.user_id != command.user_id:
        raise UnknownGeneration
    return _cancel(generation, stream=command.stream, now=now)


def cancel_training(
    command: CancelTraining, *, now: datetime, training: TrainingState | None
) -> list[Change]:
    """Cancel a training. Raises UnknownTraining, AlreadyCompleted, AlreadyEnded."""
    if training is None or training.job.user_id != command.user_id:
        raise UnknownTraining
    if training.request.style_id != command.style_id:
        raise UnknownTraining
    return _cancel(training, stream=command.stream, now=now)


def _cancel(state: JobState, *, stream: str, now: datetime) -> list[Change]:
    """End a waiting job at once; ask the worker of a running one, once."""
    job = state.job
    if job.status is JobStatus.COMPLETED:
        raise AlreadyCompleted
    if job.is_terminal:
        raise AlreadyEnded(outcome=job.status.value)
    if job.status is not JobStatus.PROCESSING:
        return canceled(state, stream=stream, is_confirmed_by_worker=False, now=now)
    if job.is_cancel_requested:
        return []
    event = CancelRequested(
        user_id=job.user_id, attempt=job.attempt, task_id=job.task_id, reason="owner"
    )
    return [Change(stream, event)]
