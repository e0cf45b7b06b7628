"""Visitors who ask over HTTP: `python -m benchmarks.visitors PORT KEYS WHAT OF CONNECTIONS NUMBER`.

WHAT is `pictures`, OF a style, or `transfers`, to people in a file. Plain sockets: a client library
would take more of the machine than what is measured.
"""

import json
import random
import selectors
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from benchmarks.peers.rounds import serve

TIMEOUT_SECONDS = 30
PROMPT = "a quiet harbour at dusk, with boats and the lights of the town on the water, wide view"


Asking = Callable[[], tuple[str, dict[str, Any]]]


def pictures(style: str) -> Asking:
    """Return what orders a picture."""
    return lambda: ("/api/generations/", {"style_id": style, "prompt": PROMPT})


def transfers(people: str) -> Asking:
    """Return what sends a token to one of the people in the file."""
    ids: list[str] = json.loads(Path(people).read_text())
    return lambda: (
        "/api/tokens/transfers/",
        {"recipient_id": random.choice(ids), "amount": 1},
    )


KINDS: dict[str, Callable[[str], Asking]] = {"pictures": pictures, "transfers": transfers}


class Visitors:
    """So many connections, each with one request on its way at any time."""

    def __init__(self, port: int, keys: list[str], asking: Asking, connections: int) -> None:
        self._keys = keys
        self._asking = asking
        self._selector = selectors.DefaultSelector()
        for _ in range(connections):
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
        path, given = self._asking()
        body = json.dumps(given).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Authorization: Bearer {random.choice(self._keys)}\r\n"
            f"Idempotency-Key: {uuid4()}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        visitor.sendall(head.encode() + body)


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


def main(port: str, keys: str, what: str, of: str, connections: str, _number: str) -> None:
    """Ask until the input ends; `keys` is a file with a JSON list."""
    asking = KINDS[what](of)
    visitors = Visitors(int(port), json.loads(Path(keys).read_text()), asking, int(connections))
    serve(visitors.work, backend=0)  # whose sessions are many, and not counted


if __name__ == "__main__":
    main(*sys.argv[1:])
