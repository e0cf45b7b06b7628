"""Plain multi-row inserts: the rows of a batch into the book's own tables, as their owner.

No function, no lock order, no check, no chain, no decision: INSERT ... VALUES for events, entries
and outcomes, one UPDATE for the balances, COMMIT. Rows are made beforehand and are not timed.
"""

import random
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import psycopg2
from psycopg2.extras import execute_values

_EVENTS = """
insert into event (
    shard, position, event_id, stream, version, type, schema_version, data, entries, metadata,
    movement_key, occurred_at, recorded_at, hash
) values %s
"""
_ENTRIES = "insert into entry (shard, position, line, account, colour, amount) values %s"
_OUTCOMES = """
insert into outcome (shard, scope, key, fingerprint, status, code, details, stream, version)
values %s
"""
_BALANCES = """
update balance as b set amount = b.amount + c.change
from (values %s) as c (shard, account, colour, change)
where b.shard = c.shard and b.account = c.account and b.colour = c.colour
"""
_HELD = """
insert into balance (shard, account, colour, amount)
select shard, replace(account, '/available', '/held'), colour, 0
from balance where account like '%/available'
on conflict do nothing
"""
_HASH = b"\x00" * 32


class Rows(NamedTuple):
    """One batch, ready to insert; `events` lack their first two columns."""

    shard: int
    commands: int
    events: list[tuple[Any, ...]]
    entries: list[tuple[Any, ...]]  # (number of the event, line, account, colour, amount)
    outcomes: list[tuple[Any, ...]]
    balances: list[tuple[Any, ...]]


class Inserter:
    """Inserts batches; no two of them at work may share a shard: `number` of `processes`."""

    def __init__(self, url: str, *, number: int, processes: int, shards: int) -> None:
        self.connection = psycopg2.connect(url)
        self.shards = [shard for shard in range(shards) if shard % processes == number]
        self.ready: deque[Rows] = deque()
        with self.connection.cursor() as cursor:
            cursor.execute("select shard, position from head")
            self._positions = dict(cursor.fetchall())
            cursor.execute(_HELD)
        self.connection.commit()

    def prepare(self, make: Callable[[int], Rows], batches: int) -> None:
        """Make `batches` batches in random shards of ours."""
        self.ready.clear()
        self.ready.extend(make(random.choice(self.shards)) for _ in range(batches))

    def work(self) -> int:
        """Insert one batch; return its number of commands."""
        rows = self.ready.popleft()
        first = self._positions[rows.shard] + 1
        self._positions[rows.shard] += len(rows.events)
        head = (rows.shard,)
        with self.connection.cursor() as cursor:
            events = [
                (*head, first + number, *event, event[-1], _HASH)
                for number, event in enumerate(rows.events)
            ]
            entries = [(*head, first + number, *rest) for number, *rest in rows.entries]
            self._insert(cursor, _OUTCOMES, [(*head, *row) for row in rows.outcomes])
            self._insert(cursor, _BALANCES, [(*head, *row) for row in rows.balances])
            self._insert(cursor, _EVENTS, events)
            self._insert(cursor, _ENTRIES, entries)
        self.connection.commit()
        return rows.commands

    def _insert(self, cursor: Any, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        execute_values(cursor, statement, rows, page_size=len(rows))
        assert cursor.rowcount == len(rows), "not every row was taken"
