"""Django under ASGI in a few lasting threads, each with its own database connection.

Django's own ASGI handler starts a thread, and so a connection, for every request. Used by
`api.asgi` alone.
"""

import asyncio
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import IO, Any, cast

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core import signals
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.core.handlers.base import BaseHandler
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import set_script_prefix

from api.errors import Problem, answer

CLIENT_GONE = "ledger.client_gone"

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


class ThreadedHandler(ASGIHandler):
    """Answers each request in one visit to one of WEB_THREADS threads.

    More than WEB_MAX_REQUESTS at once are told to come again: 503 `unavailable`.
    """

    def __init__(self) -> None:
        BaseHandler.__init__(self)
        self.load_middleware(is_async=False)
        self._threads = ThreadPoolExecutor(settings.WEB_THREADS, thread_name_prefix="request")
        self._present = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request; raises ValueError for anything else."""
        if scope["type"] != "http":
            raise ValueError("Only HTTP is served here.")
        self._present += 1
        try:
            await self._answer(scope, receive, send)
        except RequestAborted:
            return
        except Problem as problem:
            await self.send_response(answer(problem), send)
        finally:
            self._present -= 1

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._present > settings.WEB_MAX_REQUESTS:
            raise Problem(503, "unavailable", retry_after_seconds=1)
        with tempfile.SpooledTemporaryFile(settings.FILE_UPLOAD_MAX_MEMORY_SIZE) as file:
            size_bytes = await _take_in(file, receive)
            request, _ = self.create_request(_with_length(scope, size_bytes), file)
            if request is None:
                raise Problem(400, "bad_request")
            with _watched(request, receive):
                response = await self._in_thread(self._respond, scope, request)
            await self._deliver(response, receive, send)

    def _respond(self, scope: Scope, request: HttpRequest) -> HttpResponseBase:
        """Answer the request in this thread, whose database connection stays open after it."""
        set_script_prefix(get_script_prefix(scope))
        signals.request_started.send(sender=self.__class__, scope=scope)
        response = self.get_response(request)
        response._handler_class = self.__class__  # type: ignore[attr-defined] # noqa: SLF001 -- as Django's handlers do
        if not response.streaming:
            response.close()  # ends the request here, where its connection is; the content stays
        return response

    async def _deliver(self, response: HttpResponseBase, receive: Receive, send: Send) -> None:
        """Send the answer; a stream holds no thread and ends when its reader goes."""
        sending = self.send_response(cast(HttpResponse, response), send)
        if not response.streaming:
            await sending
            return
        tasks = [asyncio.create_task(sending), asyncio.create_task(_leave(receive))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._in_thread(response.close)

    async def _in_thread(self, function: Any, *arguments: Any) -> Any:
        run = sync_to_async(function, thread_sensitive=False, executor=self._threads)
        return await run(*arguments)


@contextmanager
def _watched(request: HttpRequest, receive: Receive) -> Iterator[None]:
    """Let a view that waits see that its client has gone: the event CLIENT_GONE in `META`."""
    gone = request.META[CLIENT_GONE] = threading.Event()
    watching = asyncio.create_task(_leave(receive))
    watching.add_done_callback(lambda _: gone.set())
    try:
        yield
    finally:
        watching.cancel()


async def _take_in(file: IO[bytes], receive: Receive) -> int:
    """Write the body to `file`, return its bytes; raises RequestAborted when the client goes."""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RequestAborted
        file.write(message.get("body", b""))
        more = message.get("more_body", False)
    size_bytes = file.tell()
    file.seek(0)
    return size_bytes


def _with_length(scope: Scope, size_bytes: int) -> Scope:
    """State the length of a chunked body: REST framework reads none without it."""
    if any(name == b"content-length" for name, _ in scope["headers"]):
        return scope
    return scope | {"headers": [*scope["headers"], (b"content-length", b"%d" % size_bytes)]}


async def _leave(receive: Receive) -> None:
    """Return when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
