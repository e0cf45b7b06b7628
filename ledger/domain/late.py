"""Late results: kept apart when they come, and paid for only if the payer still wants them (G9)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from ledger.domain import job as jobs
from ledger.domain import money
from ledger.domain.change import Change, Decision, Disposition, unchanged
from ledger.domain.ending import JobState
from ledger.domain.errors import (
    LateResultAccepted,
    LateResultGone,
    NoLateResult,
    UnknownGeneration,
    UnknownTask,
)
from ledger.domain.events import GenerationCompleted, GenerationRequested, LateResultReceived
from ledger.domain.generation import GenerationState, generation_stream, paid, renewed
from ledger.domain.hold import hold
from ledger.domain.job import RETRYABLE, Job, Report
from ledger.domain.terms import Terms
from ledger.domain.wallet import expire_tokens


@dataclass(frozen=True, kw_only=True, slots=True)
class ReceiveLateResult(Report):
    """A worker's result came too late for its job; it was checked and lies apart under `key`."""

    stream: str
    key: str
    sha256: str
    bytes: int
    content_type: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AcceptLateResult:
    """The payer wants the late picture of `late_of` after all, as a new generation.

    `key` is where the picture with `sha256` was kept for the new one.
    """

    generation_id: UUID
    late_of: UUID
    user_id: UUID
    task_id: UUID
    key: str
    sha256: str

    @property
    def stream(self) -> str:
        """The new generation's stream."""
        return generation_stream(self.generation_id)


def is_worth_keeping(*, job: Job, report: Report) -> bool:
    """Return whether a late completion is of an attempt that this claim once had, and the first."""
    attempt = job.attempt_of(report.task_id)
    is_bound = attempt is not None and attempt.claim == report.claim
    return is_bound and all(late.task_id != report.task_id for late in job.late)


def receive_late_result(
    command: ReceiveLateResult, *, now: datetime, terms: Terms, state: JobState | None
) -> Decision:
    """Note a late result, once an attempt; the job and its tokens stay as they are (G9).

    Raises UnknownTask, ForeignTask.
    """
    if state is None:
        raise UnknownTask
    job = state.job
    refusal = jobs.refusal(job=job, report=command, is_completion=True)
    if refusal is not Disposition.LATE_IGNORED:
        return unchanged(refusal or Disposition.STALE)
    if not is_worth_keeping(job=job, report=command):
        return unchanged(Disposition.LATE_IGNORED)
    event = LateResultReceived(
        user_id=job.user_id,
        attempt=job.attempt_number(command.task_id),
        task_id=command.task_id,
        claim=command.claim,
        worker_id=command.worker_id,
        key=command.key,
        sha256=command.sha256,
        bytes=command.bytes,
        content_type=command.content_type,
        kept_until_at=now + timedelta(seconds=terms.late_result_seconds),
    )
    change = Change(command.stream, event)
    return Decision(changes=(change,), disposition=Disposition.LATE_IGNORED)


def acceptable(old: GenerationState | None, *, user_id: UUID, now: datetime) -> LateResultReceived:
    """Return the newest late result that the payer of `old` may still accept.

    Raises UnknownGeneration, NoLateResult, LateResultGone.
    """
    if old is None or old.job.user_id != user_id:
        raise UnknownGeneration
    if old.job.status not in RETRYABLE or not old.job.late:
        raise NoLateResult
    newest = old.job.late[-1]
    if now > newest.kept_until_at:
        raise LateResultGone
    return newest


def accept_late_result(
    command: AcceptLateResult,
    *,
    now: datetime,
    terms: Terms,
    generation: GenerationState | None,
    old: GenerationState | None,
    available: Mapping[str, int],
) -> list[Change]:
    """Order, hold, complete and capture in one: the late picture at the price it was ordered for.

    The new id follows from the old one, so it can be accepted once. Raises UnknownGeneration,
    NoLateResult, LateResultGone, LateResultAccepted, InsufficientTokens.
    """
    late = acceptable(old, user_id=command.user_id, now=now)
    if old is None or late.sha256 != command.sha256:
        raise NoLateResult
    if generation is not None:
        raise LateResultAccepted(generation_id=str(command.generation_id))
    colours = money.burn(available=available, amount=old.request.price, now=now)
    request = renewed(
        old.request, task_id=command.task_id, colours=colours, late_of=command.late_of, now=now
    )
    expiries = expire_tokens(
        user_id=command.user_id, colours=available.items(), met_by=command.stream, now=now
    )
    return [
        *expiries,
        Change(command.stream, request),
        hold(stream=command.stream, user_id=command.user_id, colours=colours),
        Change(command.stream, _completed(command, late, request)),
        paid(request, stream=command.stream, colours=colours, terms=terms, now=now),
    ]


def _completed(
    command: AcceptLateResult, late: LateResultReceived, request: GenerationRequested
) -> GenerationCompleted:
    width, height = map(int, request.size.split("x"))
    return GenerationCompleted(
        user_id=request.user_id,
        style_id=request.style_id,
        artist_id=request.artist_id,
        attempt=1,
        task_id=request.task_id,
        claim=late.claim,
        worker_id=late.worker_id,
        key=command.key,
        sha256=late.sha256,
        bytes=late.bytes,
        content_type=late.content_type,
        width=width,
        height=height,
    )
