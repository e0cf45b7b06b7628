"""What the book says after a step: every account, job, purchase and payout of one schedule.

Folded from the events that are new since the last look, as projections fold them, beside the
guarded balances as they are served.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
from django.db import connection

from audit import verify
from audit.snapshot import Snapshot
from ledger.book import read
from ledger.book.rows import Row
from ledger.codec import Recorded, decode
from ledger.domain.money import is_guarded
from ledger.fold import balances_of, book_violations, shard_violations
from ledger.states import NOTHING, Folded, evolve
from projections.generations import GenerationsProjector
from projections.purchases import PurchasesProjector
from projections.trainings import TrainingsProjector

if TYPE_CHECKING:
    from projections.jobs import JobsProjector

_NEW = """
select shard, position, event_id, stream, version, type, schema_version, data, entries, metadata,
    movement_key, occurred_at, recorded_at, hash
from unnest(%s::smallint[], %s::bigint[]) as seen (in_shard, through)
join event on shard = in_shard and position > through
order by shard, position
"""
_SERVED = """
select account, colour, amount from balance
where shard = any(%s::smallint[]) and account = any(%s) and amount <> 0
"""
_SHOWN = {
    "generation": (
        GenerationsProjector,
        ("status", "attempts", "quote", "held", "captured", "released", "refunded"),
    ),
    "training": (
        TrainingsProjector,
        ("status", "attempts", "quote", "held", "captured", "released", "refunded"),
    ),
    "purchase": (PurchasesProjector, ("status", "is_disputed", "issued", "unissued")),
}


class Reading:
    """The book as far as one schedule has written it; `look` goes on where the last one ended."""

    def __init__(self, shards: Iterable[int], accounts: Iterable[str]) -> None:
        self.shards = sorted(set(shards))
        self.accounts = [name for name in accounts if is_guarded(name)]
        self.tokens: dict[tuple[str, str], int] = defaultdict(int)
        self.served: dict[tuple[str, str], int] = {}
        self.shown: dict[UUID, dict[str, Any]] = {}
        self.payouts: dict[UUID, str] = {}
        self.events: list[Recorded] = []
        self._folds: dict[str, Any] = {}
        heads = read.heads()
        self._seen = {shard: heads[shard].position for shard in self.shards}

    def look(self) -> None:
        """Fold what is new."""
        with connection.cursor() as cursor:
            cursor.execute(_NEW, [list(self._seen), list(self._seen.values())])
            rows = [Row(*row) for row in cursor.fetchall()]
            if rows:
                cursor.execute(_SERVED, [self.shards, self.accounts])
                self.served = {(name, colour): amount for name, colour, amount in cursor.fetchall()}
        for row in rows:
            assert row.position == self._seen[row.shard] + 1, "G10: the book has a hole"
            self._seen[row.shard] = row.position
            self._fold(row)

    def filled(self) -> dict[tuple[str, str], int]:
        """Return every balance that is not zero, by its entries."""
        return {place: amount for place, amount in self.tokens.items() if amount}

    def violations(self) -> list[Any]:
        """Return what breaks I1-I8 or I11-I13 in all that the schedule wrote, and the chain."""
        found: list[Any] = list(book_violations(balances_of(self.events), self.served))
        known, heads = read.book(), read.heads()
        ends = {shard: head.position for shard, head in heads.items()}
        taken = Snapshot(str(known.book_id), known.shards, heads, ends, ends, [], [], {})
        for shard in self.shards:
            found += shard_violations(one for one in self.events if one.shard == shard)
            found += verify._chain(taken, shard, {}, None, lambda _events: None)
        return found

    def _fold(self, row: Row) -> None:
        recorded = decode(row)
        self.events.append(recorded)
        for account, colour, amount in orjson.loads(row.entries or "[]"):
            self.tokens[account, colour] += amount
        kind, identifier = row.stream.partition("-")[0], UUID(row.stream[-36:])
        if kind == "payout":
            folded: Folded = self._folds.get(row.stream, NOTHING)
            folded = evolve(row.stream, folded, recorded.event, row.occurred_at)
            self._folds[row.stream] = folded
            self.payouts[identifier] = folded.state.status.value
        if kind in _SHOWN:
            self.shown[identifier] = self._projected(kind, row, recorded)

    def _projected(self, kind: str, row: Row, recorded: Recorded) -> dict[str, Any]:
        """Return what the projection of this kind shows once it has folded the event."""
        projector, fields = _SHOWN[kind]
        work: JobsProjector[Any] | PurchasesProjector = self._folds.setdefault(
            row.stream, projector(None, row.shard)  # type: ignore[arg-type]  # it is asked for no rows
        )  # fmt: skip
        if name := work.handler(row):
            getattr(work, name)(recorded, recorded.event)
        (shown,) = work.rows.values()
        return {field: getattr(shown, field) for field in fields}
