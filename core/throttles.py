"""Counts of requests in fixed windows, shared by all processes through one table.

A window begins with its first request. Wide rates are taken from the table in blocks, so that most
requests cost no query: each process may then keep the rest of one block to itself, a twentieth of
the rate. A refusal is remembered until the window ends, so that a flood costs none either.
"""

import math
import re
import time
from collections import OrderedDict
from threading import Lock
from typing import NamedTuple

from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.utils.crypto import salted_hmac

BLOCKS = 20
SWEEP_ROWS = 1_000
MAX_NAMES = 10_000  # known to one process; those longest unused are forgotten first
PERIODS = {"s": 1, "min": 60, "hour": 3_600, "day": 86_400}

_TAKE = """
INSERT INTO throttle AS t (name, taken, ends_at)
VALUES (%(name)s, %(block)s, statement_timestamp() + make_interval(secs => %(seconds)s))
ON CONFLICT (name) DO UPDATE SET
    taken = excluded.taken + CASE WHEN t.ends_at > statement_timestamp() THEN t.taken ELSE 0 END,
    ends_at = CASE WHEN t.ends_at > statement_timestamp() THEN t.ends_at ELSE excluded.ends_at END
RETURNING taken, extract(epoch FROM ends_at - statement_timestamp())::float8
"""
_SWEEP = """
DELETE FROM throttle WHERE name IN (
    SELECT name FROM throttle WHERE ends_at < now() ORDER BY ends_at LIMIT %s
)
"""


class Rate(NamedTuple):
    """At most `limit` requests in `seconds`."""

    limit: int
    seconds: int

    @classmethod
    def parse(cls, text: str, setting: str) -> "Rate | None":
        """Read "6/min" (s, min, hour, day); None for "off". Raises ImproperlyConfigured."""
        if text == "off":
            return None
        found = re.fullmatch(r"([1-9][0-9]{0,6})/(s|min|hour|day)", text)
        if found is None:
            raise ImproperlyConfigured(f"{setting}: 'off' or as 6/min, not {text!r}.")
        return cls(int(found[1]), PERIODS[found[2]])


class Standing(NamedTuple):
    """Where a name stands after a request: `remaining` more may come until `reset_seconds`."""

    rate: Rate
    is_allowed: bool
    remaining: int
    reset_seconds: int


class _Block(NamedTuple):
    """What this process may still let through, and what the table had left besides."""

    left: int
    beyond: int
    ends_at: float  # on the monotonic clock


_blocks: OrderedDict[bytes, _Block] = OrderedDict()
_lock = Lock()


def take(scope: str, subject: str, rate: Rate) -> Standing:
    """Count one request of `subject` under `scope` and say whether it is within `rate`."""
    name = _name(scope, subject)
    with _lock:
        block = _blocks.get(name)
        if block is not None and block.ends_at > time.monotonic() and _decides(block):
            return _from(name, block, rate)
    block = _from_table(name, rate)
    with _lock:
        held = _blocks.get(name)
        if held is not None and held.ends_at > time.monotonic():  # another thread's block
            block = block._replace(left=block.left + held.left)
        return _from(name, block, rate)


def forget(scope: str, subject: str) -> None:
    """Begin anew with this subject.

    Another process that has refused it goes on to refuse until the window ends.
    """
    name = _name(scope, subject)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM throttle WHERE name = %s", [name])
    with _lock:
        _blocks.pop(name, None)


def forget_here() -> None:
    """Forget what this process knows, as a new one."""
    with _lock:
        _blocks.clear()


def sweep() -> int:
    """Delete windows that have ended, SWEEP_ROWS at most; return how many."""
    with connection.cursor() as cursor:
        cursor.execute(_SWEEP, [SWEEP_ROWS])
        return int(cursor.rowcount)


def _decides(block: _Block) -> bool:
    return block.left > 0 or block.beyond == 0


def _from_table(name: bytes, rate: Rate) -> _Block:
    """Take a block; what it would have of more than the rate is not given."""
    size = max(1, rate.limit // BLOCKS)
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, {"name": name, "block": size, "seconds": rate.seconds})
        taken, seconds = cursor.fetchone()
    given = max(0, min(size, rate.limit - (taken - size)))
    return _Block(given, max(0, rate.limit - taken), time.monotonic() + seconds)


def _from(name: bytes, block: _Block, rate: Rate) -> Standing:
    """Let one request of the block through, if it has one; the lock is held."""
    is_allowed = block.left > 0
    block = block._replace(left=max(0, block.left - 1))
    _blocks[name] = block
    _blocks.move_to_end(name)
    while len(_blocks) > MAX_NAMES:
        _blocks.popitem(last=False)
    reset_seconds = max(1, math.ceil(block.ends_at - time.monotonic()))
    return Standing(rate, is_allowed, block.left + block.beyond, reset_seconds)


def _name(scope: str, subject: str) -> bytes:
    """Return what stands for both in the table, which tells no address and no name."""
    return salted_hmac(f"throttle.{scope}", subject, algorithm="sha256").digest()
