"""Projectors: how the events of a page become rows. The follow loop and rebuilds call `fold`."""

import re
from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

from django.db.backends.utils import CursorWrapper

from ledger import codec
from ledger.book import read
from ledger.book.rows import Row
from ledger.codec import Recorded, Undecodable
from ledger.domain.events import EVENT_TYPES
from projections.table import Table

_WORD = re.compile(r"(?<!^)(?=[A-Z])")


Movement = list[tuple[str, str, int]]  # (account, colour, amount) of each entry


class Projector:
    """Folds one page of one shard into its own tables; made anew for each page.

    A subclass has a method `on_<event>(recorded, event)` for each event that it reads, and may
    override `on_movement(row, entries)`, called before it for each event that moves tokens, and
    `on_rows(rows)`.
    `begin` loads what the page touches, `finish` stores it: a few statements a page, whatever
    the page holds. `streams` are the kinds of streams that it reads events of; empty means all.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    tables: ClassVar[tuple[Table[Any], ...]]
    streams: ClassVar[frozenset[str]] = frozenset()
    handlers: ClassVar[dict[str, str]]  # stored type -> method
    reads_movements: ClassVar[bool]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        known = {f"on_{_WORD.sub('_', kind).lower()}": kind for kind in EVENT_TYPES}
        found = {name for name in dir(cls) if name.startswith("on_")} - {"on_movement", "on_rows"}
        if strange := found - known.keys():
            raise TypeError(f"{cls.__name__} handles no event of the book: {sorted(strange)}")
        cls.handlers = {known[name]: name for name in found}
        cls.reads_movements = cls.on_movement is not Projector.on_movement

    def __init__(self, cursor: CursorWrapper, shard: int) -> None:
        self.cursor = cursor
        self.shard = shard

    def on_rows(self, rows: Sequence[Row]) -> None:
        """See every event of the page as it is stored, before any other method."""

    def begin(self, events: Sequence[Recorded]) -> None:
        """Load the rows that `events` touch."""

    def on_movement(self, row: Row, entries: Movement) -> None:
        """Fold what an event moved; its data is not decoded for it."""

    def finish(self) -> None:
        """Store the rows that the page has changed."""
        raise NotImplementedError

    def handler(self, row: Row) -> str | None:
        """Return the method that folds the event of `row`, or None."""
        method = self.handlers.get(row.type)
        if method and self.streams and row.stream.partition("-")[0] not in self.streams:
            return None
        return method


class Page:
    """Rows of one shard after a position; each is parsed once, for whoever reads it.

    Raises Undecodable at a type that nobody knows: it might concern anybody.
    """

    def __init__(self, shard: int, rows: Sequence[Row]) -> None:
        for row in rows:
            if row.type not in EVENT_TYPES:
                raise Undecodable(f"No event type {row.type!r} at {row.shard}-{row.position}.")
        self.shard = shard
        self.rows = rows
        self._recorded: dict[int, Recorded] = {}
        self._entries: dict[int, Movement] = {}

    def recorded(self, row: Row) -> Recorded:
        """Return the row decoded; raises Undecodable."""
        known = self._recorded.get(row.position)
        if known is None:
            known = self._recorded[row.position] = codec.decode(row)
        return known

    def entries(self, row: Row) -> Movement:
        """Return what the row moves."""
        known = self._entries.get(row.position)
        if known is None:
            known = self._entries[row.position] = read.entries(row)
        return known


def fold(projector: type[Projector], page: Page, cursor: CursorWrapper) -> None:
    """Fold `page` into the projector's tables, in the caller's transaction."""
    work = projector(cursor, page.shard)
    work.on_rows(page.rows)
    methods = [work.handler(row) for row in page.rows]
    work.begin([page.recorded(row) for row, name in zip(page.rows, methods, strict=True) if name])
    for row, name in zip(page.rows, methods, strict=True):
        if work.reads_movements and row.entries is not None:
            work.on_movement(row, page.entries(row))
        if name:
            recorded = page.recorded(row)
            getattr(work, name)(recorded, recorded.event)
    work.finish()


def kind_and_id(stream: str) -> tuple[str, UUID]:
    """Return what kind of thing a stream is of, and the thing's id."""
    kind, _, identifier = stream.partition("-")
    return kind, UUID(identifier)


def subject(recorded: Recorded) -> UUID:
    """Return the id of the thing whose stream the event is in."""
    return kind_and_id(recorded.stream)[1]
