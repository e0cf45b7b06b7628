"""Requests under ASGI share a few lasting threads and their connections."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

import pytest
from django.db import connection
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path
from pytest_django import Settings

from api.threads import CLIENT_GONE, ThreadedHandler
from tests.callers import Caller

closed: list[str] = []


async def numbers(last: int) -> AsyncIterator[bytes]:
    try:
        for number in range(last):
            yield str(number).encode()
            await asyncio.sleep(0)
    finally:
        closed.append("stream")


async def stream(request: HttpRequest, last: int) -> StreamingHttpResponse:
    return StreamingHttpResponse(numbers(last))


def wait(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(request.META[CLIENT_GONE].wait(0.5)))


urlpatterns = [path("stream/<int:last>", stream), path("wait", wait)]


class Answer(NamedTuple):
    """What was sent: nothing at all has status 0."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        return str(json.loads(self.body)["error"]["code"])


async def ask(
    handler: ThreadedHandler,
    where: str,
    *,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    chunks: tuple[bytes, ...] = (b"",),
    leaves_after: int | None = None,
    leaves_after_seconds: float | None = None,
    query: bytes = b"",
) -> Answer:
    """Send one request; the client leaves after the body, or once `leaves_after` chunks came."""
    sent: list[Any] = []
    gone = asyncio.Event()
    surplus = [{"type": "http.request", "body": b"", "more_body": False}]
    incoming = [
        {"type": "http.request", "body": chunk, "more_body": number < len(chunks)}
        for number, chunk in enumerate(chunks, start=1)
    ]

    async def receive() -> Any:
        if incoming:
            return incoming.pop(0)
        if surplus:
            return surplus.pop()  # a server's message after the body is no farewell
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)
        if leaves_after is not None and len(sent) > leaves_after:
            gone.set()

    scope = {
        "type": "http",
        "method": method,
        "path": where,
        "query_string": query,
        "headers": [
            (name.lower().encode(), text.encode()) for name, text in (headers or {}).items()
        ],
    }
    if leaves_after_seconds is not None:
        asyncio.get_running_loop().call_later(leaves_after_seconds, gone.set)
    await handler(scope, receive, send)
    if not sent:
        return Answer(0, {}, b"")
    told = {name.decode(): text.decode() for name, text in sent[0]["headers"]}
    return Answer(sent[0]["status"], told, b"".join(part.get("body", b"") for part in sent[1:]))


def backends() -> set[int]:
    """Return the server processes that serve this database, but for the one that answers."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return {pid for (pid,) in cursor.fetchall()}


@pytest.mark.parametrize(("leaves_after_seconds", "seen"), [(0.05, b"True"), (None, b"False")])
def test_a_view_that_waits_sees_that_its_client_has_gone(
    settings: Settings, leaves_after_seconds: float | None, seen: bytes
) -> None:
    settings.ROOT_URLCONF = __name__
    answer = asyncio.run(ask(ThreadedHandler(), "/wait", leaves_after_seconds=leaves_after_seconds))
    assert answer.body == seen


def test_many_requests_use_few_connections_and_keep_them(
    person: Callable[..., Caller], settings: Settings
) -> None:
    settings.WEB_THREADS = 3
    handler, key = ThreadedHandler(), person().key

    async def burst() -> list[Answer]:
        headers = {"Authorization": f"Bearer {key}", "Host": "testserver"}
        return await asyncio.gather(
            *(ask(handler, "/api/auth/me/", headers=headers) for _ in range(30))
        )

    assert {answer.status for answer in asyncio.run(burst())} == {200}
    first = backends()
    asyncio.run(burst())

    assert len(first) == 3
    assert backends() == first


def test_more_requests_than_may_wait_are_told_to_come_again(settings: Settings) -> None:
    settings.WEB_MAX_REQUESTS = 5
    handler = ThreadedHandler()

    async def burst() -> list[Answer]:
        return await asyncio.gather(*(ask(handler, "/healthz") for _ in range(8)))

    answers = asyncio.run(burst())

    assert sorted(answer.status for answer in answers) == [200] * 5 + [503] * 3
    refused = next(answer for answer in answers if answer.status == 503)
    assert (refused.code, refused.headers["Retry-After"]) == ("unavailable", "1")
    assert asyncio.run(ask(handler, "/healthz")).status == 200


@pytest.mark.parametrize("announced", [{}, {"Content-Length": "15"}])
def test_a_body_may_arrive_in_pieces(announced: dict[str, str]) -> None:
    headers = {"Content-Type": "application/json"} | announced
    pieces = (b'{"user', b'name": 5', b"}")

    answer = asyncio.run(
        ask(ThreadedHandler(), "/api/auth/login/", method="POST", headers=headers, chunks=pieces)
    )

    assert answer.status == 422
    details = json.loads(answer.body)["error"]["details"]
    assert details["username"][0]["code"] == "invalid_string"


def test_a_client_that_leaves_within_its_body_gets_nothing() -> None:
    async def leaving() -> list[Any]:
        sent: list[Any] = []
        messages = iter(
            [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
        )

        async def receive() -> Any:
            return next(messages)

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
        await ThreadedHandler()(scope, receive, send)
        return sent

    assert asyncio.run(leaving()) == []


def test_a_query_that_is_no_text_is_refused_in_the_one_shape() -> None:
    answer = asyncio.run(ask(ThreadedHandler(), "/healthz", query=b"a=\xff"))

    assert (answer.status, answer.code) == (400, "bad_request")


def test_only_http_is_served() -> None:
    async def connect() -> None:
        await ThreadedHandler()({"type": "websocket"}, None, None)  # type: ignore[arg-type] # not reached

    with pytest.raises(ValueError, match="Only HTTP"):
        asyncio.run(connect())


@pytest.mark.parametrize(("last", "leaves_after"), [(3, None), (1_000_000, 5)])
def test_a_stream_ends_with_its_last_part_or_with_its_reader(
    settings: Settings, last: int, leaves_after: int | None
) -> None:
    settings.ROOT_URLCONF = __name__
    closed.clear()

    answer = asyncio.run(ask(ThreadedHandler(), f"/stream/{last}", leaves_after=leaves_after))

    assert answer.body.startswith(b"012")
    assert len(answer.body) < 100
    assert closed == ["stream"]
