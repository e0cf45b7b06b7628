"""What a worker's callback says, parsed strictly, before anything of it is believed (section 9).

Used by `ledger.callbacks` alone. JSON has been decoded; every field is hostile until it is here.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

from ledger.domain.billing import WORKER_FAILED
from ledger.domain.errors import RuleBroken

KINDS = ("generation", "training")
ACTIONS = ("started", "progress", "complete", "failed")
PICTURE_TYPES = ("image/png", "image/jpeg")
MODEL_TYPE = "application/octet-stream"
MAX_INTEGER = 2**53 - 1
MAX_EPOCHS = 1_000_000
MAX_RESULT_BYTES = 2**40  # what may be said; what is read has a limit of its own
MAX_MESSAGE_CHARACTERS = 2_000
MAX_METRICS = 50

_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)

_FAILURE = frozenset({"code", "message", "retryable"})
# What the data of each callback may say.
SAID: dict[str, frozenset[str]] = {
    "started": frozenset({"worker"}),
    "progress": frozenset({"percent", "current_epoch", "total_epochs", "checkpoint"}),
    "complete": _FAILURE | {"sha256", "bytes", "content_type", "metrics", "success", "error"},
    "failed": _FAILURE,
}

Fields = dict[str, Any]


class Malformed(RuleBroken):
    """The callback is not of the stated form."""

    status = 422
    code = "malformed_callback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One callback; `fields` are those of its command that the worker states.

    `fingerprint` tells two callbacks of one id apart. A failure's message is plain text here.
    """

    kind: str
    action: str
    task_id: UUID
    claim: UUID
    sequence: int
    fields: Fields
    fingerprint: str

    @property
    def name(self) -> str:
        """What the callback is known by when it has no id of its own."""
        return f"{self.task_id}:{self.claim}:{self.kind}.{self.action}:{self.sequence}"


def parse(*, kind: str, action: str, body: Any) -> Report:
    """Return what the decoded JSON `body` reports. Raises Malformed."""
    if not isinstance(body, dict) or not isinstance(body.get("data", {}), dict):
        raise Malformed(field="data")
    data: Fields = body.get("data", {})
    fingerprint = _fingerprint(kind, action, body)
    if action == "complete" and not _boolean(data, "success", default=True):
        action = "failed"
        data = {"code": WORKER_FAILED, "message": data.get("error")} | data
    return Report(
        kind=kind,
        action=action,
        task_id=_uuid(body, "task_id"),
        claim=_uuid(body, "claim"),
        sequence=_integer(body, "sequence", most=MAX_INTEGER),
        fields=_FIELDS[action](kind, data),
        fingerprint=fingerprint,
    )


def _fingerprint(kind: str, action: str, body: Any) -> str:
    try:
        said = json.dumps([kind, action, body], sort_keys=True)
    except RecursionError:
        raise Malformed(field="data") from None
    return sha256(said.encode()).hexdigest()


def _started(kind: str, data: Mapping[str, Any]) -> Fields:
    return {}


def _progress(kind: str, data: Mapping[str, Any]) -> Fields:
    fields: Fields = {"percent": _integer(data, "percent", most=100)}
    if kind == "training":
        for field, name in (("epoch", "current_epoch"), ("total_epochs", "total_epochs")):
            is_given = data.get(name) is not None
            fields[field] = _integer(data, name, most=MAX_EPOCHS) if is_given else None
        if data.get("checkpoint") is not None:
            fields["checkpoint"] = _checkpoint(data["checkpoint"])
    return fields


def _checkpoint(given: Any) -> Fields:
    if not isinstance(given, dict):
        raise Malformed(field="checkpoint")
    return {
        "epoch": _integer(given, "epoch", most=MAX_EPOCHS),
        "sha256": _text(given, "sha256", _SHA256),
        "size_bytes": _integer(given, "bytes", most=MAX_RESULT_BYTES),
    }


def _complete(kind: str, data: Mapping[str, Any]) -> Fields:
    fields: Fields = {
        "sha256": _text(data, "sha256", _SHA256),
        "bytes": _integer(data, "bytes", most=MAX_RESULT_BYTES),
    }
    if kind == "training":
        return fields | {"content_type": MODEL_TYPE, "metrics": _metrics(data.get("metrics"))}
    if data.get("content_type") not in PICTURE_TYPES:
        raise Malformed(field="content_type")
    return fields | {"content_type": data["content_type"]}


def _failed(kind: str, data: Mapping[str, Any]) -> Fields:
    message = data.get("message") or ""
    if not isinstance(message, str):
        raise Malformed(field="message")
    printable = "".join(one for one in message if one.isprintable())
    return {
        "code": _text(data, "code", _CODE),
        "message": printable[:MAX_MESSAGE_CHARACTERS] or None,
        "is_retryable": _boolean(data, "retryable", default=False),
    }


_FIELDS: dict[str, Callable[[str, Mapping[str, Any]], Fields]] = {
    "started": _started,
    "progress": _progress,
    "complete": _complete,
    "failed": _failed,
}


def _metrics(given: Any) -> tuple[tuple[str, str], ...]:
    """Return metrics as (name, decimal as text), by name; never text, which may be personal."""
    metrics = given or {}
    if not isinstance(metrics, dict) or len(metrics) > MAX_METRICS:
        raise Malformed(field="metrics")
    for name, value in metrics.items():
        is_number = type(value) in (int, float) and abs(value) <= MAX_INTEGER
        if not _CODE.fullmatch(name) or not is_number or not math.isfinite(value):
            raise Malformed(field="metrics")
    return tuple((name, f"{metrics[name]:.6g}") for name in sorted(metrics))


def _uuid(body: Mapping[str, Any], field: str) -> UUID:
    value = body.get(field)
    if not isinstance(value, str) or len(value) != 36:
        raise Malformed(field=field)
    try:
        return UUID(value)
    except ValueError:
        raise Malformed(field=field) from None


def _integer(data: Mapping[str, Any], field: str, *, most: int) -> int:
    value = data.get(field)
    if type(value) is not int or not 0 <= value <= most:
        raise Malformed(field=field)
    return value


def _boolean(data: Mapping[str, Any], field: str, *, default: bool) -> bool:
    value = data.get(field, default)
    if not isinstance(value, bool):
        raise Malformed(field=field)
    return value


def _text(data: Mapping[str, Any], field: str, form: re.Pattern[str]) -> str:
    value = data.get(field)
    if not isinstance(value, str) or not form.fullmatch(value):
        raise Malformed(field=field)
    return value
