"""Which worker is asking: a signature with its secret, or the shared token (design section 9)."""

from __future__ import annotations  # REST framework imports this module before its views

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission

from api.errors import Problem
from core.signatures import Forged, prove
from core.workers import JOB_TYPES
from ledger.callbacks import Malformed, Sender

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.views import APIView

MAX_BODY_BYTES = 64 * 1024
_ID = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)
_HEADERS = {
    "worker-id": "X-Worker-Id",
    "webhook-id": "webhook-id",
    "webhook-timestamp": "webhook-timestamp",
    "webhook-signature": "webhook-signature",
    "authorization": "Authorization",
}


@dataclass(frozen=True, slots=True)
class ProvenWorker:
    """A worker that proved who it is, the tasks it may take, and the id of its message."""

    sender: Sender
    job_types: frozenset[str]
    message_id: str | None


def worker_of(request: Request) -> ProvenWorker:
    """Return who is asking, in a view whose permission has refused all others."""
    return cast(ProvenWorker, request.auth)


class WorkerSignature(BaseAuthentication):
    """Standard Webhooks signature over the raw body, or `Authorization: Bearer` with the token."""

    def authenticate(self, request: Request) -> tuple[None, ProvenWorker]:
        """Return the worker; raises 401 `worker_not_proven`, 413, and 422 for a wild id."""
        raw = _raw_body(request)
        given = {name: request.headers.get(header) for name, header in _HEADERS.items()}
        headers = {name: value for name, value in given.items() if value is not None}
        try:
            worker = prove(headers, raw)
        except Forged:
            raise Problem(401, "worker_not_proven") from None
        message_id = headers.get("webhook-id")
        if message_id is not None and not _ID.fullmatch(message_id):
            raise Malformed(field="webhook-id")
        job_types = frozenset(worker.job_types if worker else ()) or frozenset(JOB_TYPES)
        return None, ProvenWorker(Sender(worker.id if worker else None), job_types, message_id)


def _raw_body(request: Request) -> bytes:
    if len(request.body) > MAX_BODY_BYTES:  # api.body_limit has bounded it before
        raise Problem(413, "payload_too_large", details={"limit_bytes": MAX_BODY_BYTES})
    return request.body


class IsWorker(BasePermission):
    """Open to workers."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Allow whom WorkerSignature let in."""
        return isinstance(request.auth, ProvenWorker)
