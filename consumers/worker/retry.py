"""Sends a request until it is answered: bounded tries, growing pauses with jitter."""

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TypeVar

import requests
import urllib3

LONGEST_RETRY_AFTER_SECONDS = 60.0
BUSY = frozenset({425, 429})
SERVER_ERROR = 500

T = TypeVar("T")

LOST = (requests.RequestException, urllib3.exceptions.HTTPError)
"""What a lost or broken connection raises, from the request or while its answer is read."""


class Unreachable(Exception):
    """Nobody answered, or only with "later" or a server's error, as often as it was tried.

    `after_seconds` is how long the server asked to be left alone, 0 if it did not.
    """

    def __init__(self, cause: str, after_seconds: float = 0.0) -> None:
        super().__init__(cause)
        self.after_seconds = after_seconds


@dataclass(frozen=True, kw_only=True)
class Retry:
    """`attempts` in all; the pause doubles from `first_seconds` up to `longest_seconds`."""

    attempts: int = 6
    first_seconds: float = 0.5
    longest_seconds: float = 60.0

    def once(self) -> "Retry":
        """Return the same with a single attempt: for what is sent again soon anyway."""
        return Retry(attempts=1)

    def pause_seconds(self, failures: int) -> float:
        """Return how long to wait after so many failures in a row: half to all of the step."""
        step = min(self.longest_seconds, self.first_seconds * 2.0 ** min(failures - 1, 30))
        return step * random.uniform(0.5, 1.0)  # noqa: S311  # jitter, no secret


def answered(
    send: Callable[[], tuple[requests.Response, T]],
    *,
    retry: Retry,
    stop: threading.Event | None = None,
    counts: Callable[[requests.Response, T], bool] = lambda _response, _content: True,
) -> tuple[requests.Response, T]:
    """Call `send` until an answer comes that is neither 429 nor 5xx and `counts`, and return it.

    What does not count was said by something in between: a proxy, a login page, a balancer.
    Raises Unreachable when the attempts are used up, or at once when `stop` is set.
    """
    failures = 0
    waiting = stop or threading.Event()
    while True:
        try:
            response, content = send()
            is_busy = response.status_code in BUSY or response.status_code >= SERVER_ERROR
            if not is_busy and counts(response, content):
                return response, content
            cause, asked = f"HTTP {response.status_code}", _retry_after_seconds(response)
        except LOST as error:
            cause, asked = type(error).__name__, 0.0
        failures += 1
        if failures >= retry.attempts:
            raise Unreachable(cause, asked)
        if waiting.wait(max(asked, retry.pause_seconds(failures))):
            raise Unreachable(f"stopped after {cause}")


def _retry_after_seconds(response: requests.Response) -> float:
    """Return what the Retry-After header asks for, at most a minute; 0 if it says nothing."""
    given = response.headers.get("Retry-After", "")
    if given.isascii() and given.isdigit():
        return min(float(given), LONGEST_RETRY_AFTER_SECONDS)
    try:
        at, now = parsedate_to_datetime(given), parsedate_to_datetime(response.headers["Date"])
        return min(max(0.0, (at - now).total_seconds()), LONGEST_RETRY_AFTER_SECONDS)
    except (KeyError, TypeError, ValueError):
        return 0.0
