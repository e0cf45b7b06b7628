"""What workers report on the queue `ledger.results`: the same callbacks as by webhook."""

from collections.abc import Sequence
from typing import Any

import structlog
from django.db import InterfaceError, OperationalError, connection

from consumers.broker import Delivery, Message
from core.signatures import Forged, proven_worker
from core.storage import StoreUnavailable
from core.strict_json import NotJson, TooDeep, decoded
from core.traces import HEADER, accepted, traced
from ledger.callbacks import ACTIONS, KINDS, Sender, receive
from ledger.domain.errors import RuleBroken
from ledger.handlers import is_database_there
from ledger.orders import AppendFailed
from ledger.reports import SAID

PREFETCH = 20
VERSION = 1  # of a callback's body; may be left out
FIELDS = frozenset({"version", "task_id", "claim", "sequence", "occurred_at", "data"})
LATER = frozenset({429, 503})  # statuses that mean: not now
LATER_SECONDS = 1.0
log = structlog.get_logger(__name__)


class Unreadable(Exception):
    """The message is no callback; the text says why."""


def take_results(deliveries: Sequence[Delivery]) -> None:
    """Hand each callback to the ledger and settle its delivery; one bad one spoils no other."""
    for delivery in deliveries:
        with traced(accepted(delivery.message.headers.get(HEADER))):
            _take(delivery)


def _take(delivery: Delivery) -> None:
    try:
        answer = _receive(delivery.message)
    except RuleBroken as refusal:
        _refused(delivery, refusal)
    except Unreadable as reason:
        delivery.dead_letter(str(reason))
    except Forged:
        delivery.dead_letter("forged")
    except (OperationalError, InterfaceError, StoreUnavailable) as error:
        log.warning("result_waits", error=str(error).strip())
        connection.close()
        delivery.defer(LATER_SECONDS)
    else:
        log.info("result_taken", task=delivery.message.id, answer=answer)
        delivery.ack()


def _refused(delivery: Delivery, refusal: RuleBroken) -> None:
    if isinstance(refusal, AppendFailed) and is_database_there():
        delivery.requeue(refusal.code)  # it is this report that the book does not take
    elif refusal.status in LATER:
        delivery.defer(LATER_SECONDS)
    elif refusal.status >= 500:
        delivery.requeue(refusal.code)
    else:
        delivery.dead_letter(refusal.code)


def _receive(message: Message) -> dict[str, Any]:
    kind, _, action = message.type.partition(".")
    if kind not in KINDS or action not in ACTIONS:
        raise Unreadable("unknown_type")
    if not message.id:
        raise Unreadable("no_id")
    sender = Sender(_prove(message))
    try:
        body = decoded(message.body)
    except NotJson:
        raise Unreadable("malformed_json") from None
    except TooDeep:
        raise Unreadable("json_too_deep") from None
    _check(body, action)
    return receive(
        kind=kind, action=action, body=body, sender=sender, callback_id=message.id
    ).as_json()


def _check(body: Any, action: str) -> None:
    """Raise Unreadable for a version that we do not know, and for fields that nobody would read.

    A webhook's worker sees its mistake in the answer; here there is none.
    """
    if not isinstance(body, dict):
        return  # which `receive` refuses
    version = body.get("version", VERSION)
    if type(version) is int and version > VERSION:
        raise Unreadable("future_version")
    data = body.get("data", {})
    said = data.keys() if isinstance(data, dict) else set[str]()
    if version != VERSION or isinstance(version, bool):
        raise Unreadable("malformed_callback")
    if body.keys() - FIELDS or said - SAID[action]:
        raise Unreadable("unknown_field")


def _prove(message: Message) -> Any:
    """Return the worker that proved to have sent `message`, whatever its age."""
    headers = {name: value for name, value in message.headers.items() if isinstance(value, str)}
    if "webhook-id" in headers and headers["webhook-id"] != message.id:
        raise Forged
    return proven_worker(headers, message.body, tolerance_seconds=None)
