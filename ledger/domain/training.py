"""Trainings: a style's model, made by a worker from the locked images, paid to the platform."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from ledger.domain import job as jobs
from ledger.domain import money
from ledger.domain.attempt import attempt_failed
from ledger.domain.change import Change, Decision, Disposition, applied, unchanged
from ledger.domain.dataset import DatasetState, dataset_stream, unlocked
from ledger.domain.ending import unlocked_images
from ledger.domain.errors import (
    IdTaken,
    ParameterOutOfRange,
    StyleAlreadyTrained,
    StyleInactive,
    TooFewImages,
    TooManyImages,
    UnknownTask,
)
from ledger.domain.events import (
    DatasetLocked,
    Event,
    HoldCaptured,
    Sealed,
    StyleTrained,
    TrainingCheckpointed,
    TrainingCompleted,
    TrainingProgressed,
    TrainingRequested,
    TrainingStarted,
)
from ledger.domain.hold import capture, hold
from ledger.domain.job import Job, JobStatus, Report
from ledger.domain.style import StyleState, owned, style_stream
from ledger.domain.terms import Terms
from ledger.domain.wallet import expire_tokens

MAX_EPOCHS = 10_000
MAX_SEED = 2**32 - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingState:
    """A training, folded from its stream."""

    request: TrainingRequested
    job: Job
    epoch: int | None = None
    total_epochs: int | None = None
    checkpoints: int = 0
    result: TrainingCompleted | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestTraining:
    """Train a style on the images it has now; the artist pays."""

    training_id: UUID
    style_id: UUID
    artist_id: UUID
    task_id: UUID
    seed: int
    epochs: int = 200
    learning_rate: str = "0.0001"

    @property
    def stream(self) -> str:
        """The training's stream."""
        return training_stream(self.training_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingReport(Report):
    """A worker's report about a training; the style is the one that the task is for."""

    training_id: UUID
    style_id: UUID

    @property
    def stream(self) -> str:
        """The training's stream."""
        return training_stream(self.training_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class StartTraining(TrainingReport):
    """A worker begins the attempt and binds it by its claim."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """A state that a next attempt can resume from: found, checked, and kept under `key`."""

    epoch: int
    key: str
    sha256: str
    bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ProgressTraining(TrainingReport):
    """A worker tells how far it has come, in per cent, and in epochs where it has them."""

    percent: int
    epoch: int | None = None
    total_epochs: int | None = None
    checkpoint: Checkpoint | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CompleteTraining(TrainingReport):
    """The model was found, checked, and is kept under `key` (G6)."""

    key: str
    sha256: str
    bytes: int
    content_type: str
    model_family: str | None = None
    metrics: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class FailTraining(TrainingReport):
    """The attempt has no model; `code` says why, the message is for the artist."""

    code: str
    message: Sealed | None
    is_retryable: bool


def training_stream(training_id: UUID) -> str:
    """Return the stream of a training."""
    return f"training-{training_id}"


def evolve(state: TrainingState | None, event: Event, at: datetime) -> TrainingState | None:
    """Return the training after `event`, which occurred `at`."""
    if isinstance(event, TrainingRequested):
        job = Job(
            user_id=event.user_id,
            task_id=event.task_id,
            requested_at=at,
            start_by_at=event.start_by_at,
            deadline_at=event.deadline_at,
        )
        return TrainingState(request=event, job=job)
    if state is None:
        return None
    state = replace(state, job=jobs.evolve(state.job, event, at))
    if isinstance(event, TrainingProgressed):
        return replace(state, epoch=event.epoch, total_epochs=event.total_epochs)
    if isinstance(event, TrainingCheckpointed):
        return replace(state, checkpoints=state.checkpoints + 1)
    if isinstance(event, TrainingCompleted):
        return replace(state, result=event)
    return state


def request_training(
    command: RequestTraining,
    *,
    now: datetime,
    terms: Terms,
    training: TrainingState | None,
    style: StyleState | None,
    dataset: DatasetState | None,
    available: Mapping[str, int],
) -> list[Change]:
    """Lock the images, order a training on them and hold its cost (G4).

    Raises UnknownStyle, NotTheOwner, StyleInactive, StyleAlreadyTrained, TrainingInProgress,
    TooFewImages, TooManyImages, ParameterOutOfRange, InsufficientTokens.
    """
    if training is not None:
        raise IdTaken
    style = owned(style, artist_id=command.artist_id)
    _check_trainable(style)
    dataset = unlocked(dataset)
    _check_image_count(len(dataset.images), terms=terms)
    _check_parameters(command)
    colours = money.burn(available=available, amount=terms.training_cost, now=now)
    event = _requested(command, dataset=dataset, terms=terms, now=now)
    lock = DatasetLocked(
        artist_id=style.artist_id,
        training_id=command.training_id,
        image_count=len(dataset.images),
        manifest_sha256=event.manifest_sha256,
    )
    return [
        *expire_tokens(
            user_id=event.user_id, colours=available.items(), met_by=command.stream, now=now
        ),
        Change(command.stream, event),
        hold(stream=command.stream, user_id=event.user_id, colours=colours),
        Change(dataset_stream(command.style_id), lock),
    ]


def _check_trainable(style: StyleState) -> None:
    if not style.is_active:
        raise StyleInactive
    if style.model is not None:
        raise StyleAlreadyTrained


def _check_image_count(count: int, *, terms: Terms) -> None:
    if count < terms.min_images:
        raise TooFewImages(minimum=terms.min_images, count=count)
    if count > terms.max_images:
        raise TooManyImages(maximum=terms.max_images, count=count)


def _check_parameters(command: RequestTraining) -> None:
    if not 1 <= command.epochs <= MAX_EPOCHS:
        raise ParameterOutOfRange(name="epochs", minimum=1, maximum=MAX_EPOCHS)
    if not 0 <= command.seed <= MAX_SEED:
        raise ParameterOutOfRange(name="seed", minimum=0, maximum=MAX_SEED)


def _requested(
    command: RequestTraining, *, dataset: DatasetState, terms: Terms, now: datetime
) -> TrainingRequested:
    start_by_at = now + timedelta(seconds=terms.training.start_seconds)
    return TrainingRequested(
        user_id=command.artist_id,
        style_id=command.style_id,
        task_id=command.task_id,
        images=tuple(dataset.images),
        manifest_sha256=dataset.manifest_sha256,
        price=terms.training_cost,
        epochs=command.epochs,
        learning_rate=command.learning_rate,
        seed=command.seed,
        start_by_at=start_by_at,
        deadline_at=now + timedelta(seconds=terms.training.run_seconds),
    )


def start_training(
    command: StartTraining, *, now: datetime, terms: Terms, training: TrainingState | None
) -> Decision:
    """Bind the attempt to the first claim; another claim must not run.

    Raises UnknownTask.
    """
    state = _known(training, command)
    job = state.job
    refusal = jobs.start_refusal(job=job, report=command)
    if refusal is not None:
        return unchanged(refusal)
    event = TrainingStarted(
        user_id=job.user_id,
        style_id=state.request.style_id,
        attempt=job.attempt,
        task_id=job.task_id,
        claim=command.claim,
        worker_id=command.worker_id,
        sequence=command.sequence,
        leased_until_at=now + timedelta(seconds=terms.training.lease_seconds),
        deadline_at=job.deadline_at,
    )
    return applied(Change(command.stream, event))


def progress_training(
    command: ProgressTraining, *, terms: Terms, training: TrainingState | None
) -> Decision:
    """Note each new tenth of the way and each checkpoint; all else is a heartbeat.

    Raises UnknownTask, ForeignTask, ParameterOutOfRange.
    """
    state = _known(training, command)
    job = state.job
    refusal = jobs.progress_refusal(job=job, report=command)
    if refusal is not None:
        return unchanged(refusal)
    changes = _checkpointed(command, state, terms=terms)
    if not jobs.is_new_tenth(job=job, percent=command.percent):
        return applied(*changes)
    event = TrainingProgressed(
        user_id=job.user_id,
        style_id=state.request.style_id,
        attempt=job.attempt,
        task_id=job.task_id,
        sequence=command.sequence,
        percent=command.percent,
        epoch=command.epoch,
        total_epochs=command.total_epochs,
    )
    return applied(*changes, Change(command.stream, event))


def takes_checkpoint(state: TrainingState, *, epoch: int, terms: Terms) -> bool:
    """Return whether a checkpoint at `epoch` is further than the last, and not one too many."""
    last = state.job.checkpoint
    return state.checkpoints < terms.max_checkpoints and (last is None or epoch > last.epoch)


def _checkpointed(command: ProgressTraining, state: TrainingState, *, terms: Terms) -> list[Change]:
    given = command.checkpoint
    if given is None or not takes_checkpoint(state, epoch=given.epoch, terms=terms):
        return []
    event = TrainingCheckpointed(
        user_id=state.job.user_id,
        attempt=state.job.attempt,
        task_id=state.job.task_id,
        sequence=command.sequence,
        epoch=given.epoch,
        key=given.key,
        sha256=given.sha256,
        bytes=given.bytes,
    )
    return [Change(command.stream, event)]


def complete_training(command: CompleteTraining, *, training: TrainingState | None) -> Decision:
    """End the job with its stored model, pay the platform, and give the style its model (G5, G6).

    Raises UnknownTask, ForeignTask.
    """
    state = _known(training, command)
    refusal = jobs.refusal(job=state.job, report=command, is_completion=True)
    if refusal is not None:
        is_same = state.result is not None and state.result.sha256 == command.sha256
        is_twin = is_same and jobs.has_fence(job=state.job, report=command)
        return unchanged(Disposition.DUPLICATE if is_twin else refusal)
    trained = StyleTrained(
        artist_id=state.request.user_id,
        training_id=command.training_id,
        model_key=command.key,
        model_sha256=command.sha256,
        model_bytes=command.bytes,
        model_family=command.model_family,
        image_count=len(state.request.images),
    )
    return applied(
        Change(command.stream, _completed(command, state)),
        capture(stream=command.stream, event=_captured(state)),
        unlocked_images(state, stream=command.stream, outcome=JobStatus.COMPLETED),
        Change(style_stream(command.style_id), trained),
    )


def _completed(command: CompleteTraining, state: TrainingState) -> TrainingCompleted:
    return TrainingCompleted(
        user_id=state.request.user_id,
        style_id=state.request.style_id,
        attempt=state.job.attempt,
        task_id=state.job.task_id,
        claim=command.claim,
        worker_id=command.worker_id,
        key=command.key,
        sha256=command.sha256,
        bytes=command.bytes,
        content_type=command.content_type,
        model_family=command.model_family,
        metrics=command.metrics,
    )


def _captured(state: TrainingState) -> HoldCaptured:
    """Return the capture of a training: the platform gets it all, and it is not refundable."""
    return HoldCaptured(
        user_id=state.request.user_id,
        artist_id=None,
        style_id=state.request.style_id,
        amount=state.request.price,
        colours=state.job.colours,
        split=money.split_price(colours=state.job.colours, fee_bps=money.BPS),
        refundable_until_at=None,
        clears_at=None,
    )


def fail_training(
    command: FailTraining, *, now: datetime, terms: Terms, training: TrainingState | None
) -> Decision:
    """End the attempt without a model: tried again, or hold and images are given free (G5).

    Raises UnknownTask, ForeignTask.
    """
    state = _known(training, command)
    refusal = jobs.refusal(job=state.job, report=command)
    if refusal is not None:
        return unchanged(refusal)
    changes = attempt_failed(
        state,
        stream=command.stream,
        code=command.code,
        message=command.message,
        claim=command.claim,
        worker_id=command.worker_id,
        is_retryable=command.is_retryable,
        terms=terms,
        now=now,
    )
    return applied(*changes)


def _known(training: TrainingState | None, report: TrainingReport) -> TrainingState:
    if training is None or training.request.style_id != report.style_id:
        raise UnknownTask
    return training
