"""Artists' cleared earnings on their way: streams claim-<uuid> and payout-<uuid>."""

from dataclasses import dataclass
from uuid import UUID

from ledger.domain.events.base import Event, Sealed


@dataclass(frozen=True, kw_only=True, slots=True)
class EarningsClaimed(Event):
    """Cleared earnings went into the artist's own wallet."""

    artist_id: UUID
    amount: int
    colours: tuple[tuple[str, int], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class PayoutRequested(Event):
    """Paid earnings were set aside to be paid out; the destination is the artist's text."""

    artist_id: UUID
    amount: int
    destination: Sealed | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PayoutPaid(Event):
    """The payout was done; `reference` is the bank's or provider's."""

    artist_id: UUID
    amount: int
    reference: str
    amount_cents: int
    currency: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PayoutReturned(Event):
    """The payout did not happen: the earnings are back; `reason` is a code."""

    artist_id: UUID
    amount: int
    reason: str
