"""Reads the book for audits, page by page and by key, up to a head: memory of one page."""

from collections.abc import Iterator
from typing import Any

from django.db import connection

from audit.chain import ChainRow, time_text
from ledger.book.rows import Row

PAGE_EVENTS = 1_000
PAGE_MOVEMENTS = 5_000

_CHAIN = """
select
    position::text, event_id::text, stream, version::text, type, schema_version::text, data,
    entries, metadata, movement_key, occurred_at::text, recorded_at::text, hash
from event
where shard = %s and event.position > %s and event.position <= %s
order by event.position limit %s
"""
_ENTRIES = """
select position, line, account, colour, amount from entry
where shard = %s and position > %s and position <= %s
order by position, line
"""
# No rule of a stream asks for an id, a time or a hash; a hostile time is past what Python can hold.
_STREAMS = """
select shard, position, null, stream, version, type, schema_version, data, entries, metadata,
    movement_key, null, null, null
from event
where shard = %s and (stream, version) > (%s, %s) and position <= %s
order by stream, version limit %s
"""
_MOVEMENTS = """
select position, entries from event
where shard = %s and position > %s and position <= %s
order by position limit %s
"""

EntryRow = tuple[int, int, str, str, int]  # position, line, account, colour, amount


def chain_rows(shard: int, head: int) -> Iterator[list[tuple[ChainRow, bytes]]]:
    """Yield pages of `shard` in order, up to position `head`: what is hashed, and the hash."""
    after, name = 0, str(shard)
    while rows := _rows(_CHAIN, shard, after, head, PAGE_EVENTS):
        yield [
            (
                ChainRow._make((name, *row[:10], time_text(row[10]), time_text(row[11]))),
                bytes(row[12]),
            )
            for row in rows
        ]
        after = int(rows[-1][0])


def entry_rows(shard: int, after: int, through: int) -> list[EntryRow]:
    """Return the rows of `entry` past position `after` up to `through`, in order."""
    return _rows(_ENTRIES, shard, after, through)


def stream_rows(shard: int, head: int) -> Iterator[list[Row]]:
    """Yield pages of `shard` up to position `head`, stream by stream in order of version."""
    stream, version = "", 0
    while rows := _rows(_STREAMS, shard, stream, version, head, PAGE_EVENTS):
        yield [Row._make(row) for row in rows]
        stream, version = rows[-1][3], rows[-1][4]


def movements(shard: int, head: int) -> Iterator[list[tuple[int, str | None]]]:
    """Yield pages of (position, entries as JSON) of `shard`, up to position `head`."""
    after = 0
    while rows := _rows(_MOVEMENTS, shard, after, head, PAGE_MOVEMENTS):
        yield rows
        after = rows[-1][0]


def _rows(statement: str, *parameters: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[Any] = cursor.fetchall()
    return rows
