"""One moment of the book: its identity, its heads, what lies beyond them, and what is served."""

from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from ledger.book.read import BookIsMissing
from ledger.book.rows import Head
from ledger.fold import Balances

# Every column that the hash covers; `hash` itself is compared.
COVERED = (
    "shard", "position", "event_id", "stream", "version", "type", "schema_version", "data",
    "entries", "metadata", "movement_key", "occurred_at", "recorded_at", "hash",
)  # fmt: skip

_LAST = """
select s.shard, (select max(e.position) from {table} as e where e.shard = s.shard)
from generate_series(0, %s - 1) as s (shard)
"""
_STRAYS = """
(select shard, position from {table} where shard < 0 order by shard, position limit 1)
union all
(select shard, position from {table} where shard >= %(shards)s
    order by shard, position limit 1)
union all
(select s.shard, e.position
    from generate_series(0, %(shards)s - 1) as s (shard)
    join lateral (
        select position from {table} where shard = s.shard and position < 1
        order by position limit 1
    ) as e on true)
"""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was true at one moment; the events up to `heads` stay true afterwards."""

    book_id: str
    shards: int
    heads: dict[int, Head]
    last_events: dict[int, int]
    last_entries: dict[int, int]
    strays: list[str]  # rows that lie in no shard, or in a wrong one
    columns: list[str]
    balances: Balances

    @property
    def events(self) -> int:
        """Events up to the heads."""
        return sum(head.position for head in self.heads.values())


def take() -> Snapshot:
    """Read one snapshot in a short transaction of its own; raises BookIsMissing."""
    with transaction.atomic():
        _query("set transaction isolation level repeatable read, read only")
        books = _rows("select book_id::text, shards from book")
        if len(books) != 1:
            raise BookIsMissing(BookIsMissing.__doc__)
        book_id, shards = books[0]
        balances, misplaced = _balances(shards)
        return Snapshot(
            book_id=book_id,
            shards=shards,
            heads=_heads(),
            last_events=_last("event", shards),
            last_entries=_last("entry", shards),
            strays=[*_strays("event", shards), *_strays("entry", shards), *misplaced],
            columns=_columns(),
            balances=balances,
        )


def _heads() -> dict[int, Head]:
    rows = _rows("select shard, position, hash from head order by shard")
    return {shard: Head(position, bytes(digest)) for shard, position, digest in rows}


def _last(table: str, shards: int) -> dict[int, int]:
    return {shard: last or 0 for shard, last in _rows(_LAST.format(table=table), [shards])}


def _columns() -> list[str]:
    rows = _rows(
        "select attname from pg_attribute where attrelid = 'event'::regclass"
        " and attnum > 0 and not attisdropped order by attnum"
    )
    return [name for (name,) in rows]


def _strays(table: str, shards: int) -> list[str]:
    rows = _rows(_STRAYS.format(table=table), {"shards": shards})
    return [f"{table} {shard}-{position}" for shard, position in rows]


def _balances(shards: int) -> tuple[Balances, list[str]]:
    """Return the guarded balances, and the rows that do not lie in their owner's shard."""
    balances: Balances = {}
    misplaced = []
    for shard, account, colour, amount in _rows(
        "select shard, account, colour, amount from balance"
    ):
        if shard == _owner_shard(account, shards):
            balances[account, colour] = amount
        else:
            misplaced.append(f"balance {shard} {account} {colour}")
    return balances, misplaced


def _owner_shard(account: str, shards: int) -> int | None:
    try:
        return int(account.split("/")[1][-2:], 16) % shards
    except (IndexError, ValueError):
        return None


def _query(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def _rows(statement: str, parameters: Any = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
