"""Clients' commands on the queue `ledger.commands`: many in one append, each with its answer.

A message is acknowledged once its command is committed or refused. What is no command is put
aside with its reason; what cannot be done now comes again.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import structlog
from django.db import InterfaceError, OperationalError, connection
from rest_framework.renderers import JSONRenderer

from consumers.broker import Delivery, Message, Settlement, ack_all
from consumers.forms import REASONS, Form, Request, Unfit, understood
from consumers.senders import Sender, Unproven, prove
from core import maintenance
from core.refusals import error_body
from ledger.book.read import shard_of
from ledger.domain.errors import RuleBroken
from ledger.handlers import handle, is_database_there
from ledger.orders import Accepted, AppendFailed, Busy, CommandFailed, Order, Refused, Result
from ledger.requests import wallets

PREFETCH = 200  # as many as one append takes
FINISH_AT = 100  # so many are answered and acknowledged at once, while the broker sends more
DONE = Settlement(verdict="ack")
LATER = Settlement(verdict="defer", delay_seconds=1.0)
ANSWER = "command.answer"  # the type of every answer
ANSWER_VERSION = 1
OUTAGES = (OperationalError, InterfaceError)
log = structlog.get_logger(__name__)

Answerer = Callable[[Sequence[tuple[str, Message]]], None]


@dataclass(slots=True, eq=False)
class Asked:
    """One delivery on its way: who sent it, what it asks for, and what becomes of it."""

    delivery: Delivery
    sender: Sender | Unproven
    request: Request | None = None
    order: Order | None = None
    answer: dict[str, Any] | None = None
    becomes: Settlement | None = None


def take_commands(deliveries: Sequence[Delivery], *, answer: Answerer) -> None:
    """Carry out what `deliveries` ask for, one append a shard; answer and settle each of them.

    While the database is away all come again later; what was committed is answered then.
    """
    try:
        _take(deliveries, answer)
    except OUTAGES as error:
        log.warning("commands_wait", error=str(error).strip(), deliveries=len(deliveries))
        connection.close()
        for delivery in deliveries:
            delivery.settle(LATER)  # does nothing to what is settled


def _take(deliveries: Sequence[Delivery], answer: Answerer) -> None:
    senders = prove([delivery.message for delivery in deliveries])
    asked = [Asked(*pair) for pair in zip(deliveries, senders, strict=True)]
    for one in asked:
        _guard(one, _read)
    known = wallets(one.request.payee for one in asked if one.request and one.request.payee)
    for one in asked:
        _guard(one, partial(_place, known=known))
    _finish([one for one in asked if one.becomes], answer)
    groups: defaultdict[int, list[tuple[Asked, Order]]] = defaultdict(list)
    for one in asked:
        if one.order:
            groups[shard_of(one.order.shard_id)].append((one, one.order))
    done: list[Asked] = []
    for shard, group in groups.items():
        _carry_out(shard, group)
        done += [one for one, _ in group]
        if len(done) >= FINISH_AT:
            _finish(done, answer)
            done = []
    _finish(done, answer)


def _carry_out(shard: int, group: Sequence[tuple[Asked, Order]]) -> None:
    """Hand orders of one shard to the door."""
    results = handle([order for _, order in group])
    failed = any(_code(result) == AppendFailed.code for result in results)
    if failed and not is_database_there():
        raise OperationalError(AppendFailed.__doc__)  # no order is to blame
    for (one, _), result in zip(group, results, strict=True):
        _guard(one, partial(_conclude, result=result))
    told = Counter(_code(result) for result in results)
    log.info("commands_taken", shard=shard, orders=len(group), results=dict(told))


def _guard(one: Asked, step: Callable[[Asked], None]) -> None:
    """Take a step unless all is settled; a defect of ours costs this one its turn, no other."""
    if one.becomes:
        return
    try:
        step(one)
    except OUTAGES:
        raise
    except Exception:
        log.exception("command_failed", alarm=True)
        one.becomes = Settlement(verdict="requeue", reason=CommandFailed.code)


def _read(one: Asked) -> None:
    """Find out what is asked, or put it aside; whoever is proven is told why."""
    try:
        if isinstance(one.sender, Unproven):
            raise one.sender
        one.request = understood(one.delivery.message, one.sender)
    except Unproven as unproven:
        _put_aside(one, str(unproven))
    except Unfit as unfit:
        status, text = REASONS[unfit.reason]
        code = "invalid_fields" if unfit.reason == "unknown_field" else unfit.reason
        one.answer = _refusal(one, status, code, text, unfit.details)
        _put_aside(one, unfit.reason)


def _put_aside(one: Asked, reason: str) -> None:
    log.warning("command_put_aside", reason=reason)
    one.becomes = Settlement(verdict="dead_letter", reason=reason)


def _place(one: Asked, *, known: frozenset[UUID]) -> None:
    """Make the order for the door, or conclude with what refuses it before."""
    assert one.request is not None, "what was not understood is settled"  # noqa: S101
    if one.request.form.begins_a_job and maintenance.is_on():
        one.becomes = LATER
        return
    try:
        command = one.request.command(has_wallet=one.request.payee in known)
    except RuleBroken as rule:
        _conclude(one, result=Refused(error=rule))
    else:
        one.order = Order(command, one.request.context)


def _conclude(one: Asked, *, result: Result) -> None:
    """Say what becomes of a delivery by what the door has decided."""
    match result:
        case Accepted():
            if one.request and one.delivery.message.reply_to:
                one.answer = _acceptance(one.request.form, result)
            one.becomes = DONE
        case Refused(error=Busy()):
            one.becomes = LATER
        case Refused(error=rule) if rule.status >= 500:
            one.becomes = Settlement(verdict="requeue", reason=rule.code)
        case Refused(error=rule):
            one.answer = _refusal(
                one, rule.status, rule.code, rule.message, rule.details, is_replayed=result.replayed
            )
            one.becomes = DONE


def _code(result: Result) -> str:
    if isinstance(result, Refused):
        return result.error.code
    return "replayed" if result.replayed else "accepted"


def _acceptance(form: Form, accepted: Accepted) -> dict[str, Any]:
    return {
        "version": ANSWER_VERSION,
        "status": form.status,
        "replayed": accepted.replayed,
        "ledger_position": str(accepted.position) if accepted.position else None,
        "body": form.show(accepted),
    }


def _refusal(
    one: Asked, status: int, code: str, text: str, details: Any, *, is_replayed: bool = False
) -> dict[str, Any]:
    name = one.delivery.message.id or None
    return {
        "version": ANSWER_VERSION,
        "status": status,
        "replayed": is_replayed,
        "ledger_position": None,
        "body": error_body(status, code, text, details=details, request_id=name),
    }


def _finish(asked: Sequence[Asked], answer: Answerer) -> None:
    """Answer whoever wants it, then settle: a crash in between answers twice, never not at all."""
    answers = [
        (one.delivery.message.reply_to, _message(one.delivery.message.id, one.answer))
        for one in asked
        if one.answer and one.delivery.message.reply_to
    ]
    if answers:
        answer(answers)
    if done := [one.delivery for one in asked if one.becomes == DONE]:
        ack_all(done)
    for one in asked:
        if one.becomes:
            one.delivery.settle(one.becomes)


def _message(asked_id: str, said: dict[str, Any]) -> Message:
    """Return an answer in REST's own JSON."""
    return Message(
        id=str(uuid4()), type=ANSWER, body=JSONRenderer().render(said), correlation_id=asked_id
    )
