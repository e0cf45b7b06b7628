"""Up to where an audit reads: a position, a time, or the heads; as the last position per shard."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from django.db import connection

from audit.errors import UsageError
from ledger.book.rows import Head

Bounds = dict[int, int]  # shard: the last position to read

_POSITION = re.compile(r"(\d{1,3})-(\d{1,18})", re.ASCII)


def parse_time(text: str) -> datetime:
    """Return `text` (ISO 8601; UTC where it names no offset) as a time; raises UsageError."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"Not a time: {text!r}; write 2026-11-23T12:00:00Z.") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def parse_position(text: str) -> tuple[int, int]:
    """Return shard and number of a position such as `7-1234`; raises UsageError."""
    match = _POSITION.fullmatch(text)
    if match is None:
        raise UsageError(f"Not a position: {text!r}; write 7-1234.")
    return int(match[1]), int(match[2])


def up_to_position(heads: Mapping[int, Head], text: str) -> Bounds:
    """Return the bounds that end one shard at the position `text` and read no other shard."""
    shard, position = parse_position(text)
    if shard not in heads or not 1 <= position <= heads[shard].position:
        raise UsageError(f"There is no event {text} in the book.")
    return {shard: position}


def up_to_time(heads: Mapping[int, Head], at: datetime) -> Bounds:
    """Return the last positions that were recorded at `at` or before.

    A time never goes back within a shard, so a search by halves finds it.
    """
    return {shard: _last_until(shard, head.position, at) for shard, head in heads.items()}


def _last_until(shard: int, head: int, at: datetime) -> int:
    first, last = 0, head
    while first < last:
        middle = (first + last + 1) // 2
        if _recorded_at(shard, middle) <= at:
            first = middle
        else:
            last = middle - 1
    return first


def _recorded_at(shard: int, position: int) -> datetime:
    with connection.cursor() as cursor:
        cursor.execute(
            "select recorded_at from event where shard = %s and position = %s", [shard, position]
        )
        row = cursor.fetchone()
    if row is None:
        raise UsageError(f"There is a hole at {shard}-{position}: run ledger verify.")
    at: datetime = row[0]
    return at
