"""Cleared earnings: claimed into the artist's own wallet, or paid out in money."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from ledger.domain import money
from ledger.domain.change import Change
from ledger.domain.errors import InsufficientEarnings, PayoutClosed, UnknownPayout
from ledger.domain.events import (
    EarningsClaimed,
    Event,
    PayoutPaid,
    PayoutRequested,
    PayoutReturned,
    Sealed,
)
from ledger.domain.money import PAID, PROMO, Colours


class PayoutStatus(StrEnum):
    """Where a payout stands."""

    REQUESTED = "requested"
    PAID = "paid"
    RETURNED = "returned"


@dataclass(frozen=True, kw_only=True, slots=True)
class ClaimState:
    """A claim, folded from its stream's one event."""

    claim: EarningsClaimed
    claimed_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class PayoutState:
    """A payout, folded from its stream."""

    request: PayoutRequested
    requested_at: datetime
    status: PayoutStatus = PayoutStatus.REQUESTED
    closed_at: datetime | None = None
    paid: PayoutPaid | None = None
    returned: PayoutReturned | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ClaimEarnings:
    """Take `amount` tokens of cleared earnings into one's own wallet; None takes them all.

    `colour` is `promo` or `paid`; None takes promo first, since only paid can be paid out.
    """

    claim_id: UUID
    artist_id: UUID
    amount: int | None = None
    colour: str | None = None

    @property
    def stream(self) -> str:
        """The claim's stream."""
        return f"claim-{self.claim_id}"


@dataclass(frozen=True, kw_only=True, slots=True)
class PayoutCommand:
    """A command for one payout."""

    payout_id: UUID

    @property
    def stream(self) -> str:
        """The payout's stream."""
        return f"payout-{self.payout_id}"


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestPayout(PayoutCommand):
    """Have `amount` paid tokens of cleared earnings paid out in money."""

    artist_id: UUID
    amount: int
    destination: Sealed | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PayPayout(PayoutCommand):
    """An operator has sent the money; `reference` is the bank's."""

    reference: str
    amount_cents: int
    currency: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ReturnPayout(PayoutCommand):
    """The money was not sent; `reason` is a code."""

    reason: str


def evolve_claim(state: ClaimState | None, event: Event, at: datetime) -> ClaimState | None:
    """Return the claim after `event`."""
    return ClaimState(claim=event, claimed_at=at) if isinstance(event, EarningsClaimed) else state


def evolve_payout(state: PayoutState | None, event: Event, at: datetime) -> PayoutState | None:
    """Return the payout after `event`, which occurred `at`."""
    match event:
        case PayoutRequested():
            return PayoutState(request=event, requested_at=at)
        case PayoutPaid() if state is not None:
            return PayoutState(
                request=state.request,
                requested_at=state.requested_at,
                status=PayoutStatus.PAID,
                closed_at=at,
                paid=event,
            )
        case PayoutReturned() if state is not None:
            return PayoutState(
                request=state.request,
                requested_at=state.requested_at,
                status=PayoutStatus.RETURNED,
                closed_at=at,
                returned=event,
            )
        case _:
            return state


def claim_earnings(
    command: ClaimEarnings, *, now: datetime, earned: Mapping[str, int]
) -> list[Change]:
    """Move cleared earnings into the artist's wallet.

    Raises AmountOutOfRange, InsufficientEarnings.
    """
    wanted = {PROMO, PAID} if command.colour is None else {command.colour}
    usable = {colour: amount for colour, amount in earned.items() if colour in wanted}
    amount = command.amount
    if amount is None:
        amount = min(sum(usable.values()), money.MAX_AMOUNT)
        if not amount:
            raise InsufficientEarnings(required=1, available=0)
    colours = _burnt(usable, money.check_amount(amount), now)
    event = EarningsClaimed(artist_id=command.artist_id, amount=amount, colours=colours)
    entries = money.moved(
        money.earned(command.artist_id), money.available(command.artist_id), colours
    )
    return [Change(command.stream, event, "claim", entries)]


def _burnt(usable: Mapping[str, int], amount: int, now: datetime) -> Colours:
    have = sum(usable.values())
    if have < amount:
        raise InsufficientEarnings(required=amount, available=have)
    return money.burn(available=usable, amount=amount, now=now)


def request_payout(
    command: RequestPayout, *, now: datetime, earned: Mapping[str, int]
) -> list[Change]:
    """Set paid earnings aside for a payout. Raises AmountOutOfRange, InsufficientEarnings."""
    amount = money.check_amount(command.amount)
    colours = _burnt({PAID: earned.get(PAID, 0)}, amount, now)
    event = PayoutRequested(
        artist_id=command.artist_id, amount=amount, destination=command.destination
    )
    entries = money.moved(money.earned(command.artist_id), money.payout(command.artist_id), colours)
    return [Change(command.stream, event, "payout_hold", entries)]


def pay_payout(command: PayPayout, *, payout: PayoutState | None) -> list[Change]:
    """Close a payout as done. Raises UnknownPayout, PayoutClosed."""
    request = _open(payout)
    event = PayoutPaid(
        artist_id=request.artist_id,
        amount=request.amount,
        reference=command.reference,
        amount_cents=command.amount_cents,
        currency=command.currency,
    )
    entries = money.moved(
        money.payout(request.artist_id), money.PAID_OUT, ((PAID, request.amount),)
    )
    return [Change(command.stream, event, "payout_paid", entries)]


def return_payout(command: ReturnPayout, *, payout: PayoutState | None) -> list[Change]:
    """Give an open payout back to the artist's earnings. Raises UnknownPayout, PayoutClosed."""
    request = _open(payout)
    event = PayoutReturned(
        artist_id=request.artist_id, amount=request.amount, reason=command.reason
    )
    entries = money.moved(
        money.payout(request.artist_id),
        money.earned(request.artist_id),
        ((PAID, request.amount),),
    )
    return [Change(command.stream, event, "payout_returned", entries)]


def _open(payout: PayoutState | None) -> PayoutRequested:
    if payout is None:
        raise UnknownPayout
    if payout.status is not PayoutStatus.REQUESTED:
        raise PayoutClosed(status=payout.status.value)
    return payout.request
