"""Proof that a message comes from one of our workers: Standard Webhooks signature or shared token.

The same headers are used over HTTP and on the results queue (design section 9).
"""

import hmac
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

from django.conf import settings
from standardwebhooks.webhooks import Webhook

from core.models import Worker
from core.workers import find_worker

TOLERANCE_SECONDS = 300.0
MOST_SIGNATURES = 8
BEARER = "Bearer "


class Forged(Exception):
    """The sender did not prove to be one of our workers."""


def proven_worker(
    headers: Mapping[str, str], body: bytes, *, tolerance_seconds: float | None = TOLERANCE_SECONDS
) -> UUID | None:
    """Return the id of the worker that signed `body`; see `prove`."""
    worker = prove(headers, body, tolerance_seconds=tolerance_seconds)
    return worker.id if worker else None


def prove(
    headers: Mapping[str, str], body: bytes, *, tolerance_seconds: float | None = TOLERANCE_SECONDS
) -> Worker | None:
    """Return the worker that signed `body`, or None for a holder of INTERNAL_API_TOKEN.

    `headers` (lower-case names) hold `worker-id`, `webhook-id`, `webhook-timestamp` and
    `webhook-signature`, or `authorization`. Without a tolerance any age is accepted: what waits
    in a queue may be old, and a repeated callback moves nothing (G7). Raises Forged.
    """
    if "webhook-signature" in headers:
        return _signer(headers, body, tolerance_seconds)
    sent = headers.get("authorization", "")
    token = settings.INTERNAL_API_TOKEN
    if token and hmac.compare_digest(sent.encode(), f"{BEARER}{token}".encode()):
        return None
    raise Forged


def _signer(headers: Mapping[str, str], body: bytes, tolerance_seconds: float | None) -> Worker:
    try:
        worker_id, sent_at = UUID(headers["worker-id"]), int(headers["webhook-timestamp"])
        signed_at = datetime.fromtimestamp(sent_at, UTC)
        text = body.decode()
    except (KeyError, ValueError, OverflowError, OSError):
        raise Forged from None
    if tolerance_seconds is not None and abs(time.time() - sent_at) > tolerance_seconds:
        raise Forged
    worker, secrets = find_worker(worker_id) or (None, [])
    given = headers["webhook-signature"].split()[:MOST_SIGNATURES]
    for secret in secrets:
        wanted = Webhook(secret).sign(headers.get("webhook-id", ""), signed_at, text)
        if worker and any(hmac.compare_digest(wanted.encode(), one.encode()) for one in given):
            return worker
    raise Forged
