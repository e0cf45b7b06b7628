"""A simple brake on guessing passwords: few failures per account name and minute, per process."""

import math
import time
from collections import OrderedDict
from hashlib import sha256
from threading import Lock

from api.errors import Problem

LIMIT = 10
WINDOW_SECONDS = 60.0
_MAX_NAMES = 10_000
_lock = Lock()
_failures: OrderedDict[bytes, list[float]] = OrderedDict()


def count_attempt(name: str) -> None:
    """Count an attempt as failed until it is forgotten, so that parallel guesses count as well.

    Raises 429 `throttled` while `name` had LIMIT of them within WINDOW_SECONDS; the names longest
    without one are forgotten first.
    """
    with _lock:
        key = _id(name)
        recent = _recent(key)
        if len(recent) >= LIMIT:
            wait = math.ceil(recent[0] + WINDOW_SECONDS - time.monotonic())
            raise Problem(429, "throttled", retry_after_seconds=wait)
        _failures[key] = [*recent, time.monotonic()]
        _failures.move_to_end(key)
        while len(_failures) > _MAX_NAMES:
            _failures.popitem(last=False)


def forget_failures(name: str) -> None:
    """Start anew after a success."""
    with _lock:
        _failures.pop(_id(name), None)


def _recent(key: bytes) -> list[float]:
    since = time.monotonic() - WINDOW_SECONDS
    return [at for at in _failures.get(key, []) if at > since]


def _id(name: str) -> bytes:
    return sha256(name.casefold().encode()).digest()
