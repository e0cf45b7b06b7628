"""The only way into the book: one call of append_events_v1, a transaction of its own."""

from collections.abc import Sequence
from typing import Any

from django.db import DatabaseError, connection, transaction

from core.postgres.prepared import PreparedCall
from ledger.book.rows import Appended, NewEvent, Outcome

_APPEND = PreparedCall(
    "append_events_v1",
    types=[
        "smallint",
        *("text[]", "text[]", "text[]", "smallint[]", "text[]", "text[]", "text[]", "bigint[]"),
        *("uuid[]", "text[]", "bigint[]", "text[]", "smallint[]"),
        *("text[]", "text[]", "text[]", "text[]", "timestamptz[]"),
    ],
    columns="last_position, appended_at",
)
_NO_OUTCOMES: list[list[Any]] = [[] for _ in Outcome._fields]
_NO_EVENTS: list[list[Any]] = [[] for _ in NewEvent._fields]


class StaleLoad(Exception):
    """What the command was decided on has changed: load and decide again."""


class StreamMoved(StaleLoad):
    """A stream is at another version than was loaded."""


class BalanceMoved(StaleLoad):
    """A guarded balance is smaller than was loaded."""


class MovementRepeated(StaleLoad):
    """A movement key was used: this token movement is already in the book."""


class OutcomeKnown(StaleLoad):
    """A twin of this command has its answer in the book."""


class Contended(StaleLoad):
    """A lock was not to be had in time."""


_STALE: dict[str, type[StaleLoad]] = {
    "LB001": StreamMoved,
    "LB002": BalanceMoved,
    "LB003": MovementRepeated,
    "LB004": OutcomeKnown,
    "55P03": Contended,
    "40P01": Contended,
}


def append(
    *, shard: int, outcomes: Sequence[Outcome], events: Sequence[NewEvent]
) -> Appended | None:
    """Append `outcomes` and `events` to `shard` and commit; None when there were no events.

    Raises StaleLoad when the book has moved on since the load, DatabaseError for all else,
    TransactionManagementError inside an open transaction.
    """
    if connection.in_atomic_block or not connection.get_autocommit():
        raise transaction.TransactionManagementError("An append is a transaction of its own.")
    columns: list[Any] = [shard, *_columns(outcomes, _NO_OUTCOMES), *_columns(events, _NO_EVENTS)]
    try:
        rows = _APPEND.rows(columns)
    except DatabaseError as error:
        stale = _STALE.get(getattr(error.__cause__, "pgcode", None) or "")
        if stale is None:
            raise
        raise stale(str(error)) from error
    return Appended(*rows[0]) if rows else None


def _columns(rows: Sequence[tuple[Any, ...]], empty: list[list[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else empty
