"""Purchases as their buyers see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.backends.utils import CursorWrapper

from ledger.codec import Recorded
from ledger.domain.events import (
    PurchaseDisputed,
    PurchaseExpired,
    PurchaseFailed,
    PurchasePaid,
    PurchaseRefunded,
    PurchaseStarted,
    TokensIssued,
    TokensUnissued,
)
from projections.projector import Projector, subject
from projections.reading import MOST_ROWS, Mark, find, newest
from projections.table import Table


@dataclass(slots=True, kw_only=True)
class Purchase:
    """One purchase; a dispute is beside the status, since a paid one can have one too."""

    shard: int
    id: UUID
    user_id: UUID
    package: str
    tokens: int
    price_cents: int
    currency: str
    provider: str
    status: str = "started"
    is_disputed: bool = False
    disputed_key: str | None = None  # the payment that is disputed
    is_late: bool = False
    payment_key: str | None = None
    error_code: str | None = None
    issued: int = 0
    unissued: int = 0
    version: int
    expires_at: datetime
    created_at: datetime
    updated_at: datetime
    paid_at: datetime | None = None


PURCHASE = Table("purchase", Purchase, key=("shard", "id"))


class PurchasesProjector(Projector):
    """Folds the streams of purchases."""

    name = "purchases"
    version = 2  # 1 knew no disputed_key
    tables = (PURCHASE,)
    streams = frozenset({"purchase"})

    def __init__(self, cursor: CursorWrapper, shard: int) -> None:
        super().__init__(cursor, shard)
        self.rows: dict[UUID, Purchase] = {}

    def begin(self, events: Sequence[Recorded]) -> None:
        """Load the purchases that go on in this page; those that begin in it have no row yet."""
        new = {one.stream for one in events if one.version == 1}
        going_on = {subject(one) for one in events if one.stream not in new}
        self.rows = PURCHASE.load(self.cursor, self.shard, going_on)

    def finish(self) -> None:
        """Store the purchases."""
        PURCHASE.replace(self.cursor, self.rows.values())

    def _touch(self, recorded: Recorded) -> Purchase:
        row = self.rows[subject(recorded)]
        row.version = recorded.version
        row.updated_at = recorded.occurred_at
        return row

    def on_purchase_started(self, recorded: Recorded, event: PurchaseStarted) -> None:
        """Begin a row."""
        self.rows[subject(recorded)] = Purchase(
            shard=recorded.shard,
            id=subject(recorded),
            user_id=event.user_id,
            package=event.package,
            tokens=event.tokens,
            price_cents=event.price_cents,
            currency=event.currency,
            provider=event.provider,
            version=recorded.version,
            expires_at=event.expires_at,
            created_at=recorded.occurred_at,
            updated_at=recorded.occurred_at,
        )

    def on_purchase_paid(self, recorded: Recorded, event: PurchasePaid) -> None:
        """Note the payment."""
        row = self._touch(recorded)
        row.status = "paid"
        row.payment_key = event.payment_key
        row.is_late = event.is_late
        row.paid_at = recorded.occurred_at

    def on_tokens_issued(self, recorded: Recorded, event: TokensIssued) -> None:
        """Note what the buyer got."""
        self._touch(recorded).issued = event.amount

    def on_purchase_failed(self, recorded: Recorded, event: PurchaseFailed) -> None:
        """Note why nothing was paid."""
        row = self._touch(recorded)
        row.status = "failed"
        row.error_code = event.code

    def on_purchase_expired(self, recorded: Recorded, event: PurchaseExpired) -> None:
        """Nobody paid in time."""
        self._touch(recorded).status = "expired"

    def on_purchase_disputed(self, recorded: Recorded, event: PurchaseDisputed) -> None:
        """A payment does not match."""
        row = self._touch(recorded)
        row.is_disputed = True
        row.disputed_key = event.payment_key

    def on_purchase_refunded(self, recorded: Recorded, event: PurchaseRefunded) -> None:
        """The money went back; that of a disputed payment ends the dispute, no other does."""
        row = self._touch(recorded)
        if row.disputed_key == event.payment_key:
            row.is_disputed = False
            row.disputed_key = None
        if row.payment_key in (None, event.payment_key):
            row.status = "refunded"

    def on_tokens_unissued(self, recorded: Recorded, event: TokensUnissued) -> None:
        """Note what was taken back."""
        self._touch(recorded).unissued = event.amount


def purchase(purchase_id: UUID) -> Purchase | None:
    """Return a purchase as projected, or None."""
    return find(PURCHASE, purchase_id)


def purchases_of(
    user_id: UUID, *, limit: int = MOST_ROWS, before: Mark | None = None
) -> list[Purchase]:
    """Return a user's purchases, newest first."""
    return newest(
        PURCHASE, "user_id = %(user_id)s", {"user_id": user_id}, limit=limit, before=before
    )
