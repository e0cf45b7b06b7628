"""Workers in tests that report and ask for tasks over HTTP, signed as in earnest."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from standardwebhooks.webhooks import Webhook

from core.workers import create_worker
from tests.callers import call
from tests.jobs import Worker


class HttpWorker(Worker):
    """A worker with credentials of its own; its callbacks go through the webhooks."""

    def __init__(self, kind: str = "generation", task: UUID | None = None, **given: Any) -> None:
        row, self.secret = create_worker(f"worker-{uuid4()}", **given)
        super().__init__(kind, task or uuid4(), row.id)
        self.id = row.id

    def post(self, action: str, data: Any = None, *, method: str = "POST", **options: Any) -> Any:
        """Send the next callback; `options` as for `send_raw`."""
        path = options.pop("path", f"/api/webhooks/{self.kind}/{action}")
        changes = options.pop("changes", {})
        return self.send_raw(path, self.body(data, **changes), method=method, **options)

    def poll(self, **body: Any) -> Any:
        """Ask for a task."""
        return self.send_raw("/api/worker/tasks/", body)

    def send_raw(
        self, path: str, body: Any, *, method: str = "POST", headers: Any = None, **signing: Any
    ) -> Any:
        """Send `body`, as JSON unless it is bytes; `headers` replace those of the signature."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return call(
            method, path, raw, headers=self.signed(raw, **signing) if headers is None else headers
        )

    def signed(
        self, raw: bytes, *, message_id: str = "", age_seconds: float = 0, secret: str = ""
    ) -> dict[str, str]:
        """Return the headers that prove that this worker sends `raw`."""
        at = datetime.now(UTC) - timedelta(seconds=age_seconds)
        message_id = message_id or f"msg_{uuid4()}"
        text = raw.decode("latin-1")
        return {
            "X-Worker-Id": str(self.id),
            "webhook-id": message_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(secret or self.secret).sign(message_id, at, text),
        }
