"""How many events of each type the book has: what a monitor draws rates from."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.backends.utils import CursorWrapper

from ledger.book.rows import Row
from projections.projector import Projector
from projections.table import Table


@dataclass(slots=True)
class EventCount:
    """The events of one type in one shard."""

    shard: int
    type: str
    events: int


EVENT_COUNT = Table("event_count", EventCount, key=("shard", "type"))


class EventCountsProjector(Projector):
    """Counts every event by its type."""

    name = "event_counts"
    tables = (EVENT_COUNT,)

    def __init__(self, cursor: CursorWrapper, shard: int) -> None:
        super().__init__(cursor, shard)
        self.counts: Counter[str] = Counter()

    def on_rows(self, rows: Sequence[Row]) -> None:
        """Count what is on the page."""
        self.counts.update(row.type for row in rows)

    def finish(self) -> None:
        """Add the counts of the page to the rows."""
        EVENT_COUNT.add(
            self.cursor, [EventCount(self.shard, *count) for count in sorted(self.counts.items())]
        )


def events_by_type() -> dict[str, int]:
    """Return how many events of each type were folded so far, in all shards."""
    with connection.cursor() as cursor:
        cursor.execute("select type, sum(events)::bigint from event_count group by type")
        return dict(cursor.fetchall())
