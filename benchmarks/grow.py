"""Grows a bench's book by set: `python -m benchmarks.grow EVENTS PAYERS`, as the tables' owner.

Whole generations, copied in with the chain that `append_events_v1` would have given them: a
verified book of millions of events in a minute. The door would take half an hour.
"""

import io
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing import get_context
from typing import Any
from uuid import UUID

import django
import psycopg2
from uuid_utils import uuid7

django.setup()

from audit.chain import Chain, ChainRow  # noqa: E402 -- these need Django's settings
from benchmarks import story  # noqa: E402
from core.ids import new_job_id, task_id  # noqa: E402
from ledger.book.read import book, heads, stream  # noqa: E402
from ledger.book.rows import Book, Head  # noqa: E402

PROCESSES = 2
PAGE_GENERATIONS = 2_000
ARTIST = story.person(0, "artist")
_EVENT = """
copy event (
    shard, position, event_id, stream, version, type, schema_version, data, entries, metadata,
    movement_key, occurred_at, recorded_at, hash
) from stdin
"""
_ENTRY = "copy entry (shard, position, line, account, colour, amount) from stdin"
_NULL = "\\N"
_PRESENT = """
insert into balance (shard, account, colour, amount) values (%s, %s, 'paid', 0)
on conflict (shard, account, colour) do nothing
"""
_SETTLE = """
update balance set amount = amount + %s where shard = %s and account = %s and colour = 'paid'
"""


@dataclass(frozen=True, slots=True)
class Template:
    """One generation as lines of text, with the ids of a sample to be replaced."""

    payer: str
    generation: str
    task: str
    lines: str
    events: int

    def told(self, payer: UUID, generation: UUID) -> Iterator[list[str | None]]:
        """Yield the columns of each event of another one, from event_id to movement_key."""
        text = self.lines.replace(self.payer, str(payer))
        text = text.replace(self.generation, str(generation))
        text = text.replace(self.task, str(task_id(generation, 1)))
        last_byte = str(payer)[-2:]
        for line in text.split("\n"):
            columns = [None if value == _NULL else value for value in line.split("\t")]
            yield [str(uuid7())[:-2] + last_byte, *columns]


def template() -> Template:
    """Return a generation that was ordered, begun and completed through the door."""
    payer = story.person(0)
    (ordered,) = story.accepted([story.request(payer, ARTIST)])
    generation = UUID(ordered.stream[-36:])
    story.accepted([story.start(generation)])
    story.accepted([story.complete(generation)])
    rows = [row[3:11] for row in stream(ordered.stream)]
    return Template(
        payer=str(payer),
        generation=str(generation),
        task=str(task_id(generation, 1)),
        lines="\n".join(
            "\t".join(_NULL if value is None else str(value) for value in row) for row in rows
        ),
        events=len(rows),
    )


@dataclass
class Shard:
    """One shard while it grows."""

    book: Book
    number: int
    head: Head
    at: str
    changes: Counter[str] = field(default_factory=Counter)

    def page(self, told: Sequence[Iterator[list[str | None]]]) -> tuple[str, str]:
        """Return the lines of `event` and `entry` for these generations, chained to the head."""
        chain = Chain(book_id=str(self.book.book_id), shard=self.number, shards=self.book.shards)
        position, chain.hash = self.head
        events, entries = io.StringIO(), io.StringIO()
        for columns in (columns for generation in told for columns in generation):
            position += 1
            row = ChainRow._make((str(self.number), str(position), *columns, self.at, self.at))
            digest = chain.follow(row)
            events.write("\t".join(_NULL if value is None else value for value in row))
            events.write(f"\t\\\\x{digest.hex()}\n")
            for line, (account, colour, amount) in enumerate(_movement(row.entries), start=1):
                entries.write(f"{self.number}\t{position}\t{line}\t{account}\t{colour}\t{amount}\n")
                if account.startswith("user/"):
                    self.changes[account] += int(amount)
        self.head = Head(position, chain.hash)
        return events.getvalue(), entries.getvalue()


def _movement(entries: str | None) -> Iterator[tuple[str, str, str]]:
    """Yield the lines of canonical entries; a copy of ours has no escapes in it."""
    for line in (entries or "")[2:-2].split("],["):
        if line:
            account, colour, amount = line.split(",")
            yield account.strip('"'), colour.strip('"'), amount


def grow(sample: Template, payers: int, shards: Sequence[int], generations: int) -> None:
    """Append so many completed generations to each of `shards`."""
    known_payers = story.payers_by_shard(payers)
    known, at = heads(), datetime.now(UTC)
    connection = psycopg2.connect(os.environ["DATABASE_OWNER_URL"])
    with connection.cursor() as cursor:
        cursor.execute("set role ledger_owner")
        cursor.execute("set synchronous_commit = off")
        for number in shards:
            shard = Shard(book(), number, known[number], at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
            mine = known_payers[number]
            for first in range(0, generations, PAGE_GENERATIONS):
                told = [
                    sample.told(payer, new_job_id(payer))
                    for number in range(first, min(first + PAGE_GENERATIONS, generations))
                    for payer in [mine[number % len(mine)]]
                ]
                events, entries = shard.page(told)
                cursor.copy_expert(_EVENT, io.StringIO(events))
                cursor.copy_expert(_ENTRY, io.StringIO(entries))
            _settle(cursor, shard, at)
            connection.commit()
    connection.close()


def _settle(cursor: Any, shard: Shard, at: datetime) -> None:
    """Write what the shard's events did to balances and head."""
    changes = [(change, shard.number, name) for name, change in shard.changes.items() if change]
    cursor.executemany(_PRESENT, [place for _, *place in changes])
    cursor.executemany(_SETTLE, changes)
    cursor.execute(
        "update head set position = %s, hash = %s, recorded_at = %s where shard = %s",
        [*shard.head, at, shard.number],
    )


def main(events: str, payers: str) -> None:
    """Grow every shard of the book by its part of `events`, in PROCESSES processes."""
    count, sample = book().shards, template()
    generations = max(1, int(events) // count // sample.events)
    parts = [range(number, count, PROCESSES) for number in range(PROCESSES)]
    with get_context("spawn").Pool(PROCESSES) as pool:
        pool.starmap(grow, [(sample, int(payers), part, generations) for part in parts])
    with closing(psycopg2.connect(os.environ["DATABASE_OWNER_URL"])) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("vacuum (analyze) event, entry, balance, head, outcome")


if __name__ == "__main__":
    main(*sys.argv[1:])
