"""A worker that signs what it puts on the queue of results."""

import json
from datetime import UTC, datetime
from typing import Any

from standardwebhooks.webhooks import Webhook

from consumers.broker import Message
from core.workers import create_worker


class Signer:
    """One worker with its credentials."""

    def __init__(self, name: str = "worker") -> None:
        self.worker, self.secret = create_worker(name)

    def message(self, type_: str, callback_id: str, body: dict[str, Any]) -> Message:
        """Return a signed report."""
        raw, now = json.dumps(body), datetime.now(UTC)
        headers: dict[str, str | int] = {
            "worker-id": str(self.worker.id),
            "webhook-id": callback_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(self.secret).sign(callback_id, now, raw),
        }
        return Message(id=callback_id, type=type_, body=raw.encode(), headers=headers)
