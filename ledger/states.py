"""The state of one stream, folded from the book: for the door and for reads of one thing."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from ledger.book.read import stream
from ledger.book.rows import StreamEvent
from ledger.codec import decode_event
from ledger.commands import EVOLVE
from ledger.domain.events import Event
from ledger.orders import Position


class Folded(NamedTuple):
    """A stream's state as of a version; version 0 is a stream that does not exist."""

    version: int
    state: Any


NOTHING = Folded(0, None)


def evolve(stream_name: str, folded: Folded, event: Event, at: datetime) -> Folded:
    """Return the state of a stream after `event`, which occurred `at`."""
    next_state = EVOLVE[stream_name.partition("-")[0]]
    return Folded(folded.version + 1, next_state(folded.state, event, at))


def fold_loaded(stream_name: str, events: Iterable[StreamEvent], since: Folded = NOTHING) -> Folded:
    """Return a stream's state after loaded `events`, which follow on `since`."""
    for event in events:
        decoded = decode_event(event.type, event.schema_version, event.data)
        since = evolve(stream_name, since, decoded, event.occurred_at)
    return since


def fold(stream_name: str, *, through_version: int | None = None) -> tuple[Folded, Position | None]:
    """Return a stream's state, up to a version when one is given, and where its last event is."""
    folded, position = NOTHING, None
    for row in stream(stream_name, through_version=through_version):
        event = decode_event(row.type, row.schema_version, row.data)
        folded = evolve(stream_name, folded, event, row.occurred_at)
        position = Position(row.shard, row.position)
    return folded, position
