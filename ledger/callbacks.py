"""A worker's callback: from its JSON to a command and its stated answer (design section 9).

Both ways in use it: the webhooks of the API and the consumer of `ledger.results`. What a worker
says is not believed: a result is looked up where the task said, checked, and only then counted.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import structlog

from core.ids import job_id_of
from core.images.results import ResultInvalid
from core.leases import renew
from core.sealing import PersonErased, seal
from core.storage import ObjectMissing, ObjectTooLarge
from ledger.book.load import load
from ledger.book.read import shard_of
from ledger.commands import SPECS
from ledger.domain import generation, training
from ledger.domain.billing import RESULT_INVALID, RESULT_MISSING
from ledger.domain.change import Decision, Disposition
from ledger.domain.errors import RuleBroken, UnknownTask
from ledger.domain.events import Sealed
from ledger.domain.late import ReceiveLateResult, is_worth_keeping
from ledger.handlers import handle
from ledger.orders import Context, Key, KeyReused, Order, Position, Refused
from ledger.reports import ACTIONS, KINDS, Fields, Malformed, Report, parse
from ledger.results import kept, kept_apart, kept_checkpoint, uploaded
from ledger.states import fold_loaded
from ledger.terms import terms

__all__ = ["ACTIONS", "KINDS", "Answer", "CallbackReused", "Malformed", "Sender", "receive"]

log = structlog.get_logger(__name__)


class CallbackReused(RuleBroken):
    """This callback id was used for another body."""

    status = 409
    code = "callback_id_reused"


class Sender(NamedTuple):
    """The worker that proved who it is; `worker_id` is None under the shared token."""

    worker_id: UUID | None

    @property
    def actor(self) -> str:
        """The name of this worker in metadata and in the scope of its callback ids."""
        return f"worker/{self.worker_id or 'internal'}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the worker is told; `code` says why a result was `rejected`.

    `checkpoint` says whether the one that came along is `kept`. `position` is where the book
    shows it, None when nothing was written.
    """

    disposition: str
    cancel: bool = False
    code: str | None = None
    checkpoint: str | None = None
    position: Position | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the body of the answer."""
        body: dict[str, Any] = {
            "status": "ok",
            "disposition": self.disposition,
            "cancel": self.cancel,
        }
        more = {"code": self.code, "checkpoint": self.checkpoint}
        return body | {name: said for name, said in more.items() if said}


def receive(
    *, kind: str, action: str, body: Any, sender: Sender, callback_id: str | None
) -> Answer:
    """Take one callback of a worker that proved to be `sender` and return its answer.

    Moves nothing for a late, duplicate, reordered or foreign one (G9). Raises RuleBroken:
    Malformed, UnknownTask, ForeignTask, CallbackReused and what the door refuses; and
    StoreUnavailable when a result cannot be looked up now.
    """
    report = parse(kind=kind, action=action, body=body)
    key = Key(scope=sender.actor, key=callback_id or report.name, fingerprint=report.fingerprint)
    state, is_known = _state(report, key)
    if is_known:
        return Answer(Disposition.DUPLICATE, cancel=state.job.is_cancel_requested)
    command, rejection = _command(report, state, sender), None
    if report.action == "complete":
        disposition = _disposition(command, state)
        if disposition == Disposition.LATE_IGNORED:
            return _late(command, report, state, Context(actor=sender.actor, key=key))
        if disposition != Disposition.APPLIED:
            return Answer(disposition, cancel=state.job.is_cancel_requested)
        command, rejection = _checked(command, report, state, sender)
    if "checkpoint" in report.fields:
        command = _with_checkpoint(command, report, state)
    return _given(command, Context(actor=sender.actor, key=key), report, rejection)


def _state(report: Report, key: Key) -> tuple[Any, bool]:
    """Return the job's state, and whether this callback was answered before.

    A remembered refusal does not count as answered: the door repeats it.
    """
    job_id = job_id_of(report.task_id)
    stream = f"{report.kind}-{job_id}"
    loaded = load(
        shard=shard_of(job_id), keys=[(key.scope, key.key)], streams={stream: 0}, accounts=[]
    )
    known = loaded.outcomes.get((key.scope, key.key))
    if known and known.fingerprint != key.fingerprint:
        raise CallbackReused
    if stream not in loaded.streams:
        raise UnknownTask
    state = fold_loaded(stream, loaded.streams[stream]).state
    return state, known is not None and known.stream is not None


def _command(report: Report, state: Any, sender: Sender) -> Any:
    """Return the command that `report` asks for; a completion's result is still unchecked."""
    stated = {name: value for name, value in report.fields.items() if name != "checkpoint"}
    if report.action == "complete":
        stated["key"] = "unchecked"
        if report.kind == "generation":
            stated |= _size(state)
    if report.action == "failed":
        stated["message"] = _sealed(state.job.user_id, stated["message"])
    return _COMMANDS[report.kind, report.action](**_named(report, state, sender), **stated)


def _named(report: Report, state: Any, sender: Sender) -> Fields:
    """Return the fields of every command about a job: which one, and who reports."""
    style = {"style_id": state.request.style_id} if report.kind == "training" else {}
    return style | {
        f"{report.kind}_id": job_id_of(report.task_id),
        "task_id": report.task_id,
        "claim": report.claim,
        "worker_id": sender.worker_id,
        "sequence": report.sequence,
    }


def _size(state: Any) -> Fields:
    """Return the pixels that were ordered, which are those that a picture must have."""
    width, height = state.request.size.split("x")
    return {"width": int(width), "height": int(height)}


def _sealed(user_id: UUID, message: str | None) -> Sealed | None:
    """Return the message sealed for the payer; nothing is kept of a person who was erased."""
    try:
        return Sealed(*seal(user_id, message)) if message else None
    except PersonErased:
        return None


def _disposition(command: Any, state: Any) -> str:
    """Return what the completion would be on `state`, so that for a late one nothing is read.

    The decision is thrown away: what counts is decided again by the door.
    """
    spec = SPECS[type(command)]
    known = {"now": datetime.now(UTC), "terms": terms()} | dict.fromkeys(spec.reads, state)
    arguments = {name: value for name, value in known.items() if name in spec.asks}
    return str(Decision.of(spec.decide(command, **arguments)).disposition)


def _checked(command: Any, report: Report, state: Any, sender: Sender) -> tuple[Any, str | None]:
    """Return the completion once its result is kept; else the failure it amounts to, and why."""
    try:
        return kept(command, uploaded(command.task_id)), None
    except ObjectMissing:
        code = RESULT_MISSING
    except ObjectTooLarge:
        code = RESULT_INVALID
    except ResultInvalid as invalid:
        log.info("result_refused", task_id=str(report.task_id), cause=invalid.code)
        code = RESULT_INVALID
    failure = _COMMANDS[report.kind, "failed"](
        **_named(report, state, sender), code=code, message=None, is_retryable=True
    )
    return failure, code


def _with_checkpoint(command: Any, report: Report, state: Any) -> Any:
    """Return the report of progress with its checkpoint once that is kept, else without."""
    said = report.fields["checkpoint"]
    is_wanted = training.takes_checkpoint(state, epoch=said["epoch"], terms=terms())
    if not is_wanted or _disposition(command, state) != Disposition.APPLIED:
        return command
    try:
        return replace(command, checkpoint=kept_checkpoint(report.task_id, **said))
    except (ObjectMissing, ObjectTooLarge, ResultInvalid) as refused:
        log.info("checkpoint_refused", task_id=str(report.task_id), cause=type(refused).__name__)
        return command


def _told(report: Report, state: Any) -> str | None:
    """Return what the worker is told of the checkpoint that came with its report, if one did."""
    said, last = report.fields.get("checkpoint"), state.job.checkpoint
    if said is None:
        return None
    is_kept = last is not None and (last.epoch, last.sha256) == (said["epoch"], said["sha256"])
    return "kept" if is_kept else "rejected"


def _given(command: Any, context: Context, report: Report, rejection: str | None) -> Answer:
    """Hand the command to the door and return what the worker is told."""
    if report.action == "progress":
        context = replace(context, key=None)  # a report of progress writes no outcome
    (result,) = handle([Order(command, context)])
    if isinstance(result, Refused):
        raise CallbackReused if isinstance(result.error, KeyReused) else result.error
    cancel = result.state.job.is_cancel_requested
    if result.replayed:
        return Answer(Disposition.DUPLICATE, cancel=cancel)
    if report.action == "progress" and result.disposition == Disposition.APPLIED:
        _renew_lease(report)
    if rejection and result.disposition == Disposition.APPLIED:
        return Answer("rejected", cancel=cancel, code=rejection, position=result.position)
    return Answer(
        str(result.disposition),
        cancel=cancel,
        checkpoint=_told(report, result.state),
        position=result.position,
    )


def _late(command: Any, report: Report, state: Any, context: Context) -> Answer:
    """Keep a valid late result apart, once an attempt; nothing moves whatever it is (G9)."""
    nothing = Answer(Disposition.LATE_IGNORED, cancel=state.job.is_cancel_requested)
    if not is_worth_keeping(job=state.job, report=command):
        return nothing
    try:
        kept_key = kept_apart(command, uploaded(command.task_id))
    except (ObjectMissing, ObjectTooLarge, ResultInvalid):
        return nothing
    late = ReceiveLateResult(
        stream=command.stream,
        task_id=command.task_id,
        claim=command.claim,
        worker_id=command.worker_id,
        sequence=command.sequence,
        key=kept_key,
        sha256=command.sha256,
        bytes=command.bytes,
        content_type=command.content_type,
    )
    return _given(late, context, report, rejection=None)


def _renew_lease(report: Report) -> None:
    """Let the worker that was heard of keep its task for another lease."""
    limits = terms().generation if report.kind == "generation" else terms().training
    renew(report.task_id, sequence=report.sequence, seconds=limits.lease_seconds)


_COMMANDS: dict[tuple[str, str], type[Any]] = {
    ("generation", "started"): generation.StartGeneration,
    ("generation", "progress"): generation.ProgressGeneration,
    ("generation", "complete"): generation.CompleteGeneration,
    ("generation", "failed"): generation.FailGeneration,
    ("training", "started"): training.StartTraining,
    ("training", "progress"): training.ProgressTraining,
    ("training", "complete"): training.CompleteTraining,
    ("training", "failed"): training.FailTraining,
}
