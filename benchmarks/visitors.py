"""Visitors who order pictures over HTTP: `python -m benchmarks.visitors PORT KEYS STYLE NUMBER`.

Plain sockets: a client library would take more of the machine than what is measured.
"""

import json
import random
import selectors
import socket
import sys
from pathlib import Path
from uuid import uuid4

from benchmarks.peers.rounds import serve

CONNECTIONS = 16
TIMEOUT_SECONDS = 30
PROMPT = "a quiet harbour at dusk, with boats and the lights of the town on the water, wide view"


class Visitors:
    """CONNECTIONS connections, each with one request on its way at any time."""

    def __init__(self, port: int, keys: list[str], style: str) -> None:
        self._keys = keys
        self._body = json.dumps({"style_id": style, "prompt": PROMPT}).encode()
        self._selector = selectors.DefaultSelector()
        for _ in range(CONNECTIONS):
            visitor = socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS)
            visitor.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(visitor, selectors.EVENT_READ)
            self._ask(visitor)

    def work(self) -> int:
        """Take the answers that have come, ask anew, return how many they were."""
        ready = self._selector.select(TIMEOUT_SECONDS)
        assert ready, "no answer in time"
        for key, _ in ready:
            visitor: socket.socket = key.fileobj  # type: ignore[assignment]
            answer = read_answer(visitor)
            assert answer.startswith(b"HTTP/1.1 201 "), answer[:600]
            self._ask(visitor)
        return len(ready)

    def _ask(self, visitor: socket.socket) -> None:
        head = (
            "POST /api/generations/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Authorization: Bearer {random.choice(self._keys)}\r\n"
            f"Idempotency-Key: {uuid4()}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(self._body)}\r\n\r\n"
        )
        visitor.sendall(head.encode() + self._body)


def read_answer(visitor: socket.socket) -> bytes:
    """Return one answer, head and body."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += _some(visitor)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += _some(visitor)
    return head + b"\r\n\r\n" + body


def _some(visitor: socket.socket) -> bytes:
    received = visitor.recv(65_536)
    assert received, "the server hung up"
    return received


def main(port: str, keys: str, style: str, _number: str) -> None:
    """Order pictures until the input ends; `keys` is a file with a JSON list."""
    visitors = Visitors(int(port), json.loads(Path(keys).read_text()), style)
    serve(visitors.work, backend=0)  # whose sessions are many, and not counted


if __name__ == "__main__":
    main(*sys.argv[1:])
