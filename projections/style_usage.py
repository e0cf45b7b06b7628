"""How much each style is used and earns, counted from the events of whoever pays."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import connection
from django.db.backends.utils import CursorWrapper

from ledger.codec import Recorded
from ledger.domain.events import (
    GenerationCanceled,
    GenerationCompleted,
    GenerationExpired,
    GenerationFailed,
    GenerationRefunded,
    GenerationRequested,
    HoldCaptured,
)
from projections.projector import Projector
from projections.table import Table


@dataclass(slots=True)
class StyleUsage:
    """Counts of generations by what became of them; captured and earned in tokens, net.

    A row holds what the events of `shard` brought; `usage` gives the sum, with shard -1.
    """

    shard: int
    style_id: UUID
    requested: int = 0
    completed: int = 0
    failed: int = 0
    canceled: int = 0
    refunded: int = 0
    captured: int = 0
    earned: int = 0


STYLE_USAGE = Table("style_usage", StyleUsage, key=("shard", "style_id"))
ALL_SHARDS = -1


class StyleUsageProjector(Projector):
    """Counts generations by style; payers of one style are in any shard."""

    name = "style_usage"
    tables = (STYLE_USAGE,)
    streams = frozenset({"generation"})

    def __init__(self, cursor: CursorWrapper, shard: int) -> None:
        super().__init__(cursor, shard)
        self.sums: dict[UUID, StyleUsage] = {}

    def finish(self) -> None:
        """Add the counts of the page to the rows."""
        STYLE_USAGE.add(self.cursor, self.sums.values())

    def _of(self, style_id: UUID) -> StyleUsage:
        return self.sums.setdefault(style_id, StyleUsage(self.shard, style_id))

    def on_generation_requested(self, recorded: Recorded, event: GenerationRequested) -> None:
        """Count an order."""
        self._of(event.style_id).requested += 1

    def on_generation_completed(self, recorded: Recorded, event: GenerationCompleted) -> None:
        """Count a picture."""
        self._of(event.style_id).completed += 1

    def on_generation_failed(self, recorded: Recorded, event: GenerationFailed) -> None:
        """Count a failure."""
        self._of(event.style_id).failed += 1

    def on_generation_expired(self, recorded: Recorded, event: GenerationExpired) -> None:
        """Count a job whose time was over as failed."""
        self._of(event.style_id).failed += 1

    def on_generation_canceled(self, recorded: Recorded, event: GenerationCanceled) -> None:
        """Count a job that was called off."""
        self._of(event.style_id).canceled += 1

    def on_hold_captured(self, recorded: Recorded, event: HoldCaptured) -> None:
        """Add what was paid, and the artist's part of it."""
        usage = self._of(event.style_id)
        usage.captured += event.amount
        usage.earned += sum(part for _, part, _ in event.split)

    def on_generation_refunded(self, recorded: Recorded, event: GenerationRefunded) -> None:
        """Take back what was paid; the artist keeps their part where goodwill pays."""
        usage = self._of(event.style_id)
        usage.refunded += 1
        usage.captured -= event.amount
        if event.source == "pending":
            usage.earned -= sum(part for _, part, _ in event.split)


def usage(style_ids: Sequence[UUID]) -> dict[UUID, StyleUsage]:
    """Return the counts of each style in all shards, zeros where nobody used it; one query."""
    found = {style_id: StyleUsage(ALL_SHARDS, style_id) for style_id in style_ids}
    with connection.cursor() as cursor:
        cursor.execute(
            "select style_id, sum(requested)::bigint, sum(completed)::bigint, sum(failed)::bigint,"
            " sum(canceled)::bigint, sum(refunded)::bigint, sum(captured)::bigint,"
            " sum(earned)::bigint from style_usage where style_id = any(%s) group by style_id",
            [list(style_ids)],
        )
        for values in cursor.fetchall():
            found[values[0]] = StyleUsage(ALL_SHARDS, *values)
    return found
