"""An HTTP proxy before the web process that loses, repeats, delays and cuts what goes through."""

import http.client
import random
import socket
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECONDS = 60.0
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@dataclass(frozen=True)
class Shares:
    """How many of a thousand requests meet each fault."""

    unsent: int = 15
    half_sent: int = 10
    unanswered: int = 25
    half_answered: int = 10
    doubled: int = 30
    repeated_later: int = 30
    delayed: int = 40

    def draw(self, rng: random.Random) -> str:
        """Return the fault of one request, "" for none."""
        number = rng.randrange(1000)
        for name, share in vars(self).items():
            if number < share:
                return str(name)
            number -= share
        return ""


@dataclass(frozen=True)
class Asked:
    """One request as it came in."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes


class UnsteadyProxy:
    """Forwards to `port` of this machine; `counts` says how often each fault was met."""

    def __init__(self, port: int, seed: int) -> None:
        self.counts: Counter[str] = Counter()
        self.is_steady = threading.Event()
        self._rng, self._lock = random.Random(seed), threading.Lock()
        self._target = port
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                self.raw_requestline = self.rfile.readline(65_537)
                if not self.raw_requestline or not self.parse_request():
                    self.close_connection = True
                    return
                proxy._serve(self)

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_: Any) -> None:
                """A client or the server went away: that is what this is about."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Take no more requests."""
        self._server.shutdown()
        self._server.server_close()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length") or 0)
        body = handler.rfile.read(length)
        headers = [one for one in handler.headers.items() if one[0].lower() not in HOP_BY_HOP]
        asked, fault = Asked(handler.command, handler.path, headers, body), self._draw()
        if fault == "half_sent":
            self._send_half(asked)
        if fault == "delayed":
            time.sleep(self._seconds(0.1, 1.5))
        if fault == "doubled":
            self._try(asked)
        answer = None if fault in {"unsent", "half_sent"} else self._try(asked)
        if fault == "repeated_later":
            timer = threading.Timer(self._seconds(0.2, 8.0), self._try, (asked,))
            timer.daemon = True
            timer.start()
        if answer is None or fault == "unanswered":
            self._hang_up(handler)
        else:
            self._answer(handler, *answer, half=fault == "half_answered")

    def _answer(
        self,
        handler: BaseHTTPRequestHandler,
        status: int,
        headers: list[tuple[str, str]],
        content: bytes,
        *,
        half: bool,
    ) -> None:
        handler.send_response_only(status)
        for name, value in headers:
            if name.lower() not in HOP_BY_HOP:
                handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(content[: len(content) // 2] if half else content)
        if half:
            self._hang_up(handler)

    def _draw(self) -> str:
        if self.is_steady.is_set():
            return ""
        with self._lock:
            fault = Shares().draw(self._rng)
            self.counts[fault or "forwarded"] += 1
        return fault

    def _seconds(self, least: float, most: float) -> float:
        with self._lock:
            return self._rng.uniform(least, most)

    def _try(self, asked: Asked) -> tuple[int, list[tuple[str, str]], bytes] | None:
        """Forward a request; None where the server cannot be reached."""
        connection = http.client.HTTPConnection("127.0.0.1", self._target, timeout=SECONDS)
        try:
            connection.request(asked.method, asked.path, asked.body or None, dict(asked.headers))
            response = connection.getresponse()
            return response.status, response.getheaders(), response.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def _send_half(self, asked: Asked) -> None:
        """Send the head and half of the body, then cut the connection."""
        head = f"{asked.method} {asked.path} HTTP/1.1\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in asked.headers)
        head += f"Content-Length: {len(asked.body)}\r\n\r\n"
        half = head.encode("latin-1") + asked.body[: len(asked.body) // 2]
        with (
            suppress(OSError),
            socket.create_connection(("127.0.0.1", self._target), SECONDS) as one,
        ):
            one.sendall(half if asked.body else half[: len(half) // 2])

    @staticmethod
    def _hang_up(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        with suppress(OSError):
            handler.connection.shutdown(socket.SHUT_RDWR)
