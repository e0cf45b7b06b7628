"""Rows of the book as Python sees them; plain values, nothing decoded."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID


class Book(NamedTuple):
    """The one row of `book`."""

    book_id: UUID
    shards: int


class Head(NamedTuple):
    """A shard's last position and chain hash (32 bytes)."""

    position: int
    hash: bytes


class Row(NamedTuple):
    """One row of `event`; data, entries and metadata are the canonical JSON that was hashed."""

    shard: int
    position: int
    event_id: UUID
    stream: str
    version: int
    type: str
    schema_version: int
    data: str
    entries: str | None
    metadata: str
    movement_key: str | None
    occurred_at: datetime
    recorded_at: datetime
    hash: bytes


class NewEvent(NamedTuple):
    """One event to append; its position, recorded_at and hash are the book's to give."""

    event_id: UUID
    stream: str
    version: int
    type: str
    schema_version: int
    data: str
    entries: str | None
    metadata: str
    movement_key: str | None
    occurred_at: datetime


class Outcome(NamedTuple):
    """The remembered answer to a key; details is canonical JSON, no personal text."""

    scope: str
    key: str
    fingerprint: str
    status: int
    code: str | None
    details: str | None
    stream: str | None
    version: int | None


class Appended(NamedTuple):
    """What an append gave: the last position of the shard, and the database's time."""

    position: int
    recorded_at: datetime


class StreamEvent(NamedTuple):
    """One event of a loaded stream, not decoded."""

    event_id: str
    type: str
    schema_version: int
    data: str
    version: int
    occurred_at: datetime
