"""Tokens bought for money: streams purchase-<uuid>. Money is in cents of `currency`."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledger.domain.events.base import Event


@dataclass(frozen=True, kw_only=True, slots=True)
class PurchaseStarted(Event):
    """A user chose a package; its price is pinned and open for payment until `expires_at`."""

    user_id: UUID
    package: str
    tokens: int
    price_cents: int
    currency: str
    provider: str
    expires_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class PurchasePaid(Event):
    """The provider confirmed the pinned price; `is_late` when the purchase was closed by then."""

    user_id: UUID
    payment_key: str
    amount_cents: int
    currency: str
    is_late: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class TokensIssued(Event):
    """Bought tokens were issued to the buyer."""

    user_id: UUID
    amount: int
    package: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PurchaseFailed(Event):
    """The provider reported that the payment failed."""

    user_id: UUID
    payment_key: str
    code: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PurchaseExpired(Event):
    """Nobody paid in time; a later payment at the pinned price still issues."""

    user_id: UUID


@dataclass(frozen=True, kw_only=True, slots=True)
class PurchaseDisputed(Event):
    """A payment does not match the pinned price; open until issued or refunded."""

    user_id: UUID
    payment_key: str
    amount_cents: int
    currency: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PurchaseRefunded(Event):
    """The buyer's money went back; `reason` is `refund` or `chargeback`."""

    user_id: UUID
    payment_key: str
    amount_cents: int
    currency: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class TokensUnissued(Event):
    """Tokens of a refunded purchase went back: `taken` by the buyer, `goodwill` by the platform."""

    user_id: UUID
    amount: int
    taken: int
    goodwill: int
