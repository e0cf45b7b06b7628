"""Calling the API in tests: JSON in, Django's test response out."""

import json
from dataclasses import dataclass
from typing import Any

from django.test import Client

from core.models import User


def call(
    method: str,
    path: str,
    body: Any = None,
    *,
    client: Client | None = None,
    key: str | None = None,
    headers: dict[str, str] | None = None,
) -> Any:
    """Send one request; `body` goes as JSON unless it is bytes, `key` as the bearer."""
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    sent = dict(headers or {})
    content_type = sent.pop("Content-Type", "application/json")
    if key is not None:
        sent["Authorization"] = f"Bearer {key}"
    client = client or Client(raise_request_exception=False)
    return client.generic(method, path, data, content_type, headers=sent)


@dataclass(frozen=True)
class Caller:
    """One account with an API key."""

    user: User
    key: str

    def __call__(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """Send one request with the account's key."""
        return call(method, path, body, key=self.key, **options)


def code(response: Any) -> tuple[int, str]:
    """Return the status and the error code of a refusal."""
    return response.status_code, response.json()["error"]["code"]


def faults(response: Any) -> dict[str, list[str]]:
    """Return the codes per field of a 422 `invalid_fields`."""
    assert code(response) == (422, "invalid_fields"), response.content
    details = response.json()["error"]["details"]
    return {field: [fault["code"] for fault in found] for field, found in details.items()}
