"""The maintenance mode: no new job begins, what runs goes on to its end.

Switched by `manage.py maintenance`, asked for by the API before each new job.
"""

import time
from datetime import datetime
from typing import NamedTuple

from django.db import connection

CACHED_SECONDS = 1.0  # so a switch is seen within a second, at no query for each request

_LAST = "SELECT is_on, switched_at FROM maintenance_switch ORDER BY id DESC LIMIT 1"
_SWITCH = f"""
INSERT INTO maintenance_switch (is_on) SELECT %(on)s
WHERE %(on)s IS DISTINCT FROM coalesce((SELECT is_on FROM ({_LAST}) AS last), false)
"""  # noqa: S608  # a constant of ours


class State(NamedTuple):
    """Whether the mode is on, and since when; None: it never was switched."""

    is_on: bool
    since: datetime | None


class _Cache:
    """What this process knows, and until when it asks no more (monotonic clock).

    Threads that find it old at once all ask: none waits for another's query.
    """

    def __init__(self) -> None:
        self._known: tuple[bool, float] = False, 0.0

    def is_on(self) -> bool:
        is_on, until = self._known
        if time.monotonic() >= until:
            is_on = state().is_on
            self._known = is_on, time.monotonic() + CACHED_SECONDS
        return is_on

    def clear(self) -> None:
        self._known = False, 0.0


_cache = _Cache()


def is_on() -> bool:
    """Return whether new jobs are refused; at most a second old."""
    return _cache.is_on()


def state() -> State:
    """Return how the mode stands now."""
    with connection.cursor() as cursor:
        cursor.execute(_LAST)
        row = cursor.fetchone()
    return State(*row) if row else State(is_on=False, since=None)


def switch(*, on: bool) -> bool:
    """Switch the mode and return whether that changed it."""
    with connection.cursor() as cursor:
        cursor.execute(_SWITCH, {"on": on})
        changed = bool(cursor.rowcount)
    _cache.clear()
    return changed
