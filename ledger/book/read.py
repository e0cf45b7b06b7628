"""Reads the book: heads, pages of a shard, streams. Whoever follows, follows through `page`."""

import json
from datetime import date
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db import connection

from ledger.book.rows import Book, Head, Row

PAGE_LIMIT = 1_000

_COLUMNS = (
    "shard, position, event_id, stream, version, type, schema_version, data, entries,"
    " metadata, movement_key, occurred_at, recorded_at, hash"
)


class BookIsCorrupt(Exception):
    """The book breaks one of its own rules; whoever reads it stops here (G10)."""


class BookIsMissing(Exception):
    """There is no book yet: run `python manage.py migrate`."""


def book() -> Book:
    """Return the book's identity; read once per database and process, since it never changes."""
    return _book(str(connection.settings_dict["NAME"]))


@lru_cache(maxsize=64)
def _book(_database: str) -> Book:
    with connection.cursor() as cursor:
        cursor.execute("select book_id, shards from book")
        row = cursor.fetchone()
    if row is None:
        raise BookIsMissing(BookIsMissing.__doc__)
    return Book(*row)


def shard_of(identifier: UUID) -> int:
    """Return the shard of an id: its last byte modulo the number of shards."""
    return int(identifier.bytes[15] % book().shards)


def stream_shard(stream: str) -> int:
    """Return the shard of a stream, account owner or id in text form, by its last two digits."""
    return int(int(stream[-2:], 16) % book().shards)


def heads() -> dict[int, Head]:
    """Return the head of every shard, in one snapshot."""
    with connection.cursor() as cursor:
        cursor.execute("select shard, position, hash from head order by shard")
        return {shard: Head(position, bytes(digest)) for shard, position, digest in cursor}


def expiring_owners(today: date, limit: int) -> list[UUID]:
    """Return users with spendable tokens whose last day was before `today`."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select distinct split_part(account, '/', 2)::uuid from balance"
            " where colour like 'promo@%%' and colour < %s and amount > 0"
            " and account like 'user/%%/available' limit %s",
            [f"promo@{today.isoformat()}", limit],
        )
        return [owner for (owner,) in cursor.fetchall()]


def page(shard: int, after: int, limit: int = PAGE_LIMIT) -> list[Row]:
    """Return up to `limit` rows of `shard` past position `after`, dense and in commit order (G10).

    Raises BookIsCorrupt at a hole.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"select {_COLUMNS} from event where shard = %s and position > %s"  # noqa: S608 constant
            " order by position limit %s",
            [shard, after, min(limit, PAGE_LIMIT)],
        )
        rows = [_row(values) for values in cursor.fetchall()]
    for expected, row in enumerate(rows, start=after + 1):
        if row.position != expected:
            raise BookIsCorrupt(f"A hole at {shard}-{expected}: the next event is {row.position}.")
    return rows


def stream(name: str, *, through_version: int | None = None) -> list[Row]:
    """Return the rows of one stream in order, up to a version when one is given."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"select {_COLUMNS} from event where shard = %s and stream = %s"  # noqa: S608 constant
            " and version <= %s order by version",
            [stream_shard(name), name, through_version or 2**31],
        )
        return [_row(values) for values in cursor.fetchall()]


def entries(row: Row) -> list[tuple[str, str, int]]:
    """Return the movement of `row` as (account, colour, amount); empty when it moves nothing."""
    loaded: list[list[Any]] = json.loads(row.entries) if row.entries else []
    return [(account, colour, amount) for account, colour, amount in loaded]


def _row(values: tuple[Any, ...]) -> Row:
    return Row._make((*values[:-1], bytes(values[-1])))
