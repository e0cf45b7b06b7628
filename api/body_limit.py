"""Stops a request body at its limit while it arrives, before Django writes it to disk.

Under ASGI Django takes in the whole body before it calls a view, so a view cannot refuse it.
"""

import re
from typing import TYPE_CHECKING, Any

from django.conf import settings

from api.errors import Problem, answer
from core.storage import ObjectTooLarge, StorageError, local_store

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    Application = Callable[[Any, Any, Any], Awaitable[None]]

MAX_BODY_BYTES = 128 * 1024 * 1024  # several training images in one form
FORM_BYTES = 16 * 1024  # what the other fields and the boundaries of an upload form may take
_FILE = re.compile(r"/(?:api/)?files/([^/]+)")


def body_limit(path: str, content_type: bytes = b"") -> int:
    """Return how many bytes a body may have; a token of ours states its own limit.

    Besides files only forms with pictures are large: nobody fills our disk with JSON.
    """
    if not (found := _FILE.fullmatch(path)):
        is_form = content_type.lower().startswith(b"multipart/")
        return MAX_BODY_BYTES if is_form else settings.MAX_JSON_BYTES
    try:
        return local_store().open_link(found[1], "put").max_bytes + FORM_BYTES
    except StorageError:
        return FORM_BYTES  # the view says what is wrong with the token


class BodyLimit:
    """Wraps an ASGI application: answers 413 once a body exceeds its limit."""

    def __init__(self, application: "Application") -> None:
        self._application = application

    async def __call__(self, scope: "Message", receive: "Receive", send: "Send") -> None:
        """Serve one connection; only HTTP requests have a body to limit."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        limit = body_limit(scope["path"], dict(scope["headers"]).get(b"content-type", b""))
        if _announced(scope) > limit:
            await _refuse(send, _too_large(scope["path"], limit))
            return
        body = _LimitedBody(receive, limit)
        await self._application(scope, body.receive, send)
        if body.is_exceeded:
            await _refuse(send, _too_large(scope["path"], limit))


class _LimitedBody:
    """Counts a body; beyond its limit the application sees a client that went away."""

    def __init__(self, receive: "Receive", limit: int) -> None:
        self._receive = receive
        self._left = limit
        self.is_exceeded = False

    async def receive(self) -> "Message":
        received = await self._receive()
        self._left -= len(received.get("body", b""))
        if self._left < 0:
            self.is_exceeded = True
            return {"type": "http.disconnect"}
        return received


def _announced(scope: "Message") -> int:
    """Return the announced length of the body; the server has checked that it is a number."""
    return max(
        (int(value) for name, value in scope["headers"] if name == b"content-length"), default=0
    )


def _too_large(path: str, limit_bytes: int) -> Problem:
    details = {"limit_bytes": limit_bytes}
    if _FILE.fullmatch(path):
        return Problem(413, ObjectTooLarge.code, details=details, text=str(ObjectTooLarge()))
    return Problem(413, "payload_too_large", details=details)


async def _refuse(send: "Send", refusal: Problem) -> None:
    content = answer(refusal).content
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
