"""Reads rows of projections for the API: one by its id, or a page of them, newest first."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol, TypeVar
from uuid import UUID

from django.db import connection

from ledger.book.read import shard_of
from projections.table import Row, Table

MOST_ROWS = 100
MOST_COUNTED = 1_000

Value = str | int | bool | UUID | datetime | list[str]


class Dated(Row, Protocol):
    """A row that can be listed by age."""

    id: UUID
    created_at: datetime


D = TypeVar("D", bound=Dated)


class Mark(NamedTuple):
    """The cursor of a list: the next page goes on with what is older."""

    created_at: datetime
    id: UUID


def mark(row: Dated) -> Mark:
    """Return the cursor of the rows after `row`."""
    return Mark(row.created_at, row.id)


def find(table: Table[D], identifier: UUID) -> D | None:
    """Return the row with this id, or None."""
    with connection.cursor() as cursor:
        shard = shard_of(identifier)
        return table.load(cursor, shard, [identifier]).get(identifier)


def newest(
    table: Table[D],
    condition: str,
    values: Mapping[str, Value],
    *,
    limit: int = MOST_ROWS,
    before: Mark | None = None,
) -> list[D]:
    """Return up to `limit` rows under `condition`, a constant of ours, newest first."""
    parameters = dict(values) | {"limit": min(limit, MOST_ROWS)}
    if before is not None:
        condition += " and (created_at, id) < (%(before_at)s, %(before_id)s)"
        parameters |= {"before_at": before.created_at, "before_id": before.id}
    with connection.cursor() as cursor:
        cursor.execute(
            f"select {table.columns} from {table.name} where {condition}"  # noqa: S608 constants
            " order by created_at desc, id desc limit %(limit)s",
            parameters,
        )
        return [table.build(found) for found in cursor.fetchall()]


class Place(NamedTuple):
    """Where a queued job stands: 1 is next; `length` and `oldest_at` tell of the whole queue."""

    number: int
    length: int
    oldest_at: datetime


def places_in_queue(
    table: Table[D], rows: Sequence[D], most: int = MOST_COUNTED
) -> dict[UUID, Place]:
    """Return where each of the queued `rows` of a job table stands, counted up to `most`.

    A row that is not projected yet counts as if it were.
    """
    if not rows:
        return {}
    queued = f"select created_at from {table.name} where status = 'queued'"  # noqa: S608 constant
    with connection.cursor() as cursor:
        cursor.execute(
            "select asked.id, asked.created_at,"  # noqa: S608 constants
            f" (select count(*) from ({queued} and (created_at, id) < (asked.created_at, asked.id)"
            "  limit %(most)s) as older),"
            f" (select count(*) from ({queued} limit %(most)s) as waiting),"
            f" ({queued} order by created_at, id limit 1)"
            " from unnest(%(ids)s::uuid[], %(ats)s::timestamptz[]) as asked (id, created_at)",
            {
                "ids": [row.id for row in rows],
                "ats": [row.created_at for row in rows],
                "most": most,
            },
        )
        return {
            identifier: Place(older + 1, max(length, older + 1), oldest_at or at)
            for identifier, at, older, length, oldest_at in cursor.fetchall()
        }
