"""Generations: a picture ordered at a pinned price, made by a worker, paid when it is stored."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from uuid import UUID

from ledger.domain import job as jobs
from ledger.domain import money
from ledger.domain.attempt import attempt_failed
from ledger.domain.change import Change, Decision, Disposition, applied, unchanged
from ledger.domain.errors import (
    IdTaken,
    NotRetryable,
    ParameterOutOfRange,
    PriceChanged,
    UnknownGeneration,
    UnknownSize,
    UnknownTask,
)
from ledger.domain.events import (
    EarningsCleared,
    Event,
    GenerationCompleted,
    GenerationProgressed,
    GenerationRefunded,
    GenerationRequested,
    GenerationStarted,
    HoldCaptured,
    Sealed,
)
from ledger.domain.hold import capture, hold
from ledger.domain.job import RETRYABLE, Job, Report
from ledger.domain.money import Colours
from ledger.domain.style import StyleState, orderable
from ledger.domain.terms import Terms
from ledger.domain.wallet import expire_tokens

SIZES = ("512x512", "1024x1024", "512x1024")
MAX_STEPS = 150
MAX_SEED = 2**32 - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerationState:
    """A generation, folded from its stream."""

    request: GenerationRequested
    job: Job
    result: GenerationCompleted | None = None
    captured: HoldCaptured | None = None
    refund: GenerationRefunded | None = None
    cleared: EarningsCleared | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestGeneration:
    """Order a picture; `expected_price` is what the user was shown.

    `retry_of` names a failed or expired one of the user's that is ordered again.
    """

    generation_id: UUID
    user_id: UUID
    style_id: UUID
    task_id: UUID
    prompt: Sealed
    seed: int
    size: str = "512x512"
    steps: int = 50
    expected_price: int | None = None
    retry_of: UUID | None = None

    @property
    def stream(self) -> str:
        """The generation's stream."""
        return generation_stream(self.generation_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerationReport(Report):
    """A worker's report about a generation."""

    generation_id: UUID

    @property
    def stream(self) -> str:
        """The generation's stream."""
        return generation_stream(self.generation_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class StartGeneration(GenerationReport):
    """A worker begins the attempt and binds it by its claim."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProgressGeneration(GenerationReport):
    """A worker tells how far it has come, in per cent."""

    percent: int


@dataclass(frozen=True, kw_only=True, slots=True)
class CompleteGeneration(GenerationReport):
    """The picture was found, checked, and is kept under `key` (G6)."""

    key: str
    sha256: str
    bytes: int
    content_type: str
    width: int
    height: int


@dataclass(frozen=True, kw_only=True, slots=True)
class FailGeneration(GenerationReport):
    """The attempt has no picture; `code` says why, the message is for the payer."""

    code: str
    message: Sealed | None
    is_retryable: bool


@lru_cache(maxsize=1_000)  # a command asks for it ten times
def generation_stream(generation_id: UUID) -> str:
    """Return the stream of a generation."""
    return f"generation-{generation_id}"


def evolve(state: GenerationState | None, event: Event, at: datetime) -> GenerationState | None:
    """Return the generation after `event`, which occurred `at`."""
    if isinstance(event, GenerationRequested):
        job = Job(
            user_id=event.user_id,
            task_id=event.task_id,
            requested_at=at,
            start_by_at=event.start_by_at,
            deadline_at=event.deadline_at,
        )
        return GenerationState(request=event, job=job)
    if state is None:
        return None
    state = replace(state, job=jobs.evolve(state.job, event, at))
    if isinstance(event, GenerationCompleted):
        return replace(state, result=event)
    if isinstance(event, HoldCaptured):
        return replace(state, captured=event)
    if isinstance(event, GenerationRefunded):
        return replace(state, refund=event)
    if isinstance(event, EarningsCleared):
        return replace(state, cleared=event)
    return state


def request_generation(
    command: RequestGeneration,
    *,
    now: datetime,
    terms: Terms,
    generation: GenerationState | None,
    style: StyleState | None,
    retried: GenerationState | None = None,
    available: Mapping[str, int],
) -> list[Change]:
    """Order a picture and hold its price: quote = hold = the most that can be charged (G4).

    Raises UnknownStyle, StyleInactive, StyleNotTrained, PriceChanged, UnknownSize,
    ParameterOutOfRange, InsufficientTokens, and for a retry UnknownGeneration, NotRetryable.
    """
    if generation is not None:
        raise IdTaken
    _check_retried(command, retried)
    style, model = orderable(style, user_id=command.user_id)
    if command.expected_price not in (None, style.price):
        raise PriceChanged(expected_price=command.expected_price, price=style.price)
    _check_parameters(command)
    colours = money.burn(available=available, amount=style.price, now=now)
    start_by_at = now + timedelta(seconds=terms.generation.start_seconds)
    event = GenerationRequested(
        user_id=command.user_id,
        style_id=command.style_id,
        artist_id=style.artist_id,
        task_id=command.task_id,
        prompt=command.prompt,
        size=command.size,
        steps=command.steps,
        seed=command.seed,
        model_key=model.model_key,
        model_sha256=model.model_sha256,
        model_family=model.model_family,
        price=style.price,
        fee_bps=terms.fee_bps,
        split=money.split_price(colours=colours, fee_bps=terms.fee_bps),
        start_by_at=start_by_at,
        deadline_at=start_by_at + timedelta(seconds=terms.generation.run_seconds),
        retry_of=command.retry_of,
        late_of=None,
    )
    return [
        *expire_tokens(
            user_id=command.user_id, colours=available.items(), met_by=command.stream, now=now
        ),
        Change(command.stream, event),
        hold(stream=command.stream, user_id=command.user_id, colours=colours),
    ]


def _check_retried(command: RequestGeneration, retried: GenerationState | None) -> None:
    if command.retry_of is None:
        return
    if retried is None or retried.job.user_id != command.user_id:
        raise UnknownGeneration
    if retried.job.status not in RETRYABLE:
        raise NotRetryable(status=retried.job.status.value)


def _check_parameters(command: RequestGeneration) -> None:
    if command.size not in SIZES:
        raise UnknownSize
    if not 1 <= command.steps <= MAX_STEPS:
        raise ParameterOutOfRange(name="steps", minimum=1, maximum=MAX_STEPS)
    if not 0 <= command.seed <= MAX_SEED:
        raise ParameterOutOfRange(name="seed", minimum=0, maximum=MAX_SEED)


def start_generation(
    command: StartGeneration, *, now: datetime, terms: Terms, generation: GenerationState | None
) -> Decision:
    """Bind the attempt to the first claim; another claim must not run.

    Raises UnknownTask.
    """
    job = _known(generation).job
    refusal = jobs.start_refusal(job=job, report=command)
    if refusal is not None:
        return unchanged(refusal)
    end_at = now + timedelta(seconds=terms.generation.run_seconds)
    event = GenerationStarted(
        user_id=job.user_id,
        attempt=job.attempt,
        task_id=job.task_id,
        claim=command.claim,
        worker_id=command.worker_id,
        sequence=command.sequence,
        leased_until_at=now + timedelta(seconds=terms.generation.lease_seconds),
        deadline_at=job.deadline_at if job.started_at else end_at,
    )
    return applied(Change(command.stream, event))


def progress_generation(
    command: ProgressGeneration, *, generation: GenerationState | None
) -> Decision:
    """Note each new tenth of the way; any other report of the running attempt is a heartbeat.

    Raises UnknownTask, ForeignTask, ParameterOutOfRange.
    """
    job = _known(generation).job
    refusal = jobs.progress_refusal(job=job, report=command)
    if refusal is not None:
        return unchanged(refusal)
    if not jobs.is_new_tenth(job=job, percent=command.percent):
        return applied()
    event = GenerationProgressed(
        user_id=job.user_id,
        attempt=job.attempt,
        task_id=job.task_id,
        sequence=command.sequence,
        percent=command.percent,
    )
    return applied(Change(command.stream, event))


def complete_generation(
    command: CompleteGeneration,
    *,
    now: datetime,
    terms: Terms,
    generation: GenerationState | None,
) -> Decision:
    """End the job with its stored picture and pay the hold out by the pinned split (G5, G6).

    Raises UnknownTask, ForeignTask.
    """
    state = _known(generation)
    refusal = jobs.refusal(job=state.job, report=command, is_completion=True)
    if refusal is not None:
        is_same = state.result is not None and state.result.sha256 == command.sha256
        is_twin = is_same and jobs.has_fence(job=state.job, report=command)
        return unchanged(Disposition.DUPLICATE if is_twin else refusal)
    return applied(
        Change(command.stream, _completed(command, state)),
        paid(state.request, stream=command.stream, colours=state.job.colours, terms=terms, now=now),
    )


def _completed(command: CompleteGeneration, state: GenerationState) -> GenerationCompleted:
    return GenerationCompleted(
        user_id=state.request.user_id,
        style_id=state.request.style_id,
        artist_id=state.request.artist_id,
        attempt=state.job.attempt,
        task_id=state.job.task_id,
        claim=command.claim,
        worker_id=command.worker_id,
        key=command.key,
        sha256=command.sha256,
        bytes=command.bytes,
        content_type=command.content_type,
        width=command.width,
        height=command.height,
    )


def paid(
    request: GenerationRequested, *, stream: str, colours: Colours, terms: Terms, now: datetime
) -> Change:
    """Return the capture of the hold `colours`, by the split that the request pinned."""
    event = HoldCaptured(
        user_id=request.user_id,
        artist_id=request.artist_id,
        style_id=request.style_id,
        amount=request.price,
        colours=colours,
        split=request.split,
        refundable_until_at=now + timedelta(seconds=terms.refund_seconds),
        clears_at=now + timedelta(seconds=terms.clearing_seconds),
    )
    return capture(stream=stream, event=event)


def renewed(
    request: GenerationRequested, *, task_id: UUID, colours: Colours, late_of: UUID, now: datetime
) -> GenerationRequested:
    """Return the request of a new generation that stands for an old one's late picture.

    Price and model stay as they were pinned; it is complete at once, so it has no time to wait.
    """
    return replace(
        request,
        task_id=task_id,
        split=money.split_price(colours=colours, fee_bps=request.fee_bps),
        start_by_at=now,
        deadline_at=now,
        retry_of=None,
        late_of=late_of,
    )


def fail_generation(
    command: FailGeneration, *, now: datetime, terms: Terms, generation: GenerationState | None
) -> Decision:
    """End the attempt without a picture: tried again, or the hold goes back whole (G5).

    Raises UnknownTask, ForeignTask.
    """
    state = _known(generation)
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


def _known(generation: GenerationState | None) -> GenerationState:
    if generation is None:
        raise UnknownTask
    return generation
