"""The wallet: grants, transfers, and tokens whose last day is over."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledger.domain import money
from ledger.domain.change import Change
from ledger.domain.errors import (
    InsufficientTokens,
    SelfTransfer,
    UnknownColour,
    UnknownRecipient,
)
from ledger.domain.events import Event, Sealed, TokensExpired, TokensGranted, TokensTransferred
from ledger.domain.money import PAID, Entry

WELCOME = "welcome"  # the reason of the grant that every new user gets


@dataclass(frozen=True, kw_only=True, slots=True)
class GrantTokens:
    """Give `amount` tokens of `colour` to a user; `reason` is a code such as `welcome`."""

    grant_id: UUID
    user_id: UUID
    amount: int
    colour: str
    reason: str
    memo: Sealed | None = None
    has_wallet: bool = True  # whether the user exists and can hold tokens

    @property
    def stream(self) -> str:
        """The grant's stream."""
        return f"grant-{self.grant_id}"


@dataclass(frozen=True, kw_only=True, slots=True)
class TransferTokens:
    """Send `amount` paid tokens from `user_id` to `recipient_id`."""

    transfer_id: UUID
    user_id: UUID
    recipient_id: UUID
    amount: int
    memo: Sealed | None = None
    has_wallet: bool = True  # whether the recipient exists and can hold tokens

    @property
    def stream(self) -> str:
        """The transfer's stream."""
        return f"transfer-{self.transfer_id}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ExpireTokens:
    """Take out of a wallet what has expired in it: the timer's command."""

    expiry_id: UUID
    user_id: UUID

    @property
    def stream(self) -> str:
        """The expiry's stream."""
        return f"expiry-{self.expiry_id}"


@dataclass(frozen=True, kw_only=True, slots=True)
class WalletMove:
    """The one event of a grant's or transfer's stream; an expiry's has one for each colour."""

    event: Event
    moved_at: datetime


def evolve(state: WalletMove | None, event: Event, at: datetime) -> WalletMove:
    """Return the move that `event` made, whatever was before it."""
    return WalletMove(event=event, moved_at=at)


def grant_tokens(command: GrantTokens, *, now: datetime) -> list[Change]:
    """Mint tokens into a wallet. Raises UnknownRecipient, AmountOutOfRange, UnknownColour."""
    if not command.has_wallet:
        raise UnknownRecipient
    money.check_amount(command.amount)
    if not money.is_colour(command.colour) or money.is_expired(command.colour, now=now):
        raise UnknownColour
    event = TokensGranted(
        user_id=command.user_id,
        amount=command.amount,
        colour=command.colour,
        reason=command.reason,
        memo=command.memo,
    )
    entries = (
        Entry(money.ISSUANCE, command.colour, -command.amount),
        Entry(money.available(command.user_id), command.colour, command.amount),
    )
    return [Change(command.stream, event, "grant", entries)]


def transfer_tokens(
    command: TransferTokens, *, now: datetime, available: Mapping[str, int]
) -> list[Change]:
    """Move paid tokens to another user; `available` is the sender's balance by colour.

    Raises UnknownRecipient, AmountOutOfRange, SelfTransfer, InsufficientTokens.
    """
    if not command.has_wallet:
        raise UnknownRecipient
    amount = money.check_amount(command.amount)
    if command.recipient_id == command.user_id:
        raise SelfTransfer
    have = available.get(PAID, 0)
    if have < amount:
        raise InsufficientTokens(required=amount, available=have, shortfall=amount - have)
    event = TokensTransferred(
        user_id=command.user_id,
        recipient_id=command.recipient_id,
        amount=amount,
        memo=command.memo,
    )
    entries = (
        Entry(money.available(command.user_id), PAID, -amount),
        Entry(money.available(command.recipient_id), PAID, amount),
    )
    expiries = expire_tokens(
        user_id=command.user_id,
        colours=available.items(),
        met_by=command.stream,
        now=now,
    )
    return [*expiries, Change(command.stream, event, "transfer", entries)]


def expire_wallet(
    command: ExpireTokens, *, now: datetime, available: Mapping[str, int]
) -> list[Change]:
    """Take every colour out of the wallet whose last day is over; nothing when there is none."""
    return _expiries(
        command.stream, user_id=command.user_id, colours=available.items(), met_by=None, now=now
    )


def expire_tokens(
    *, user_id: UUID, colours: Iterable[tuple[str, int]], met_by: str, now: datetime
) -> list[Change]:
    """Take those of `colours` out of the wallet whose last day is over.

    The stream is named after what met them, so one thing expires a colour once. What is above
    the size of one movement waits for the next command; it pays for nothing meanwhile.
    """
    return _expiries(
        expiry_stream(met_by), user_id=user_id, colours=colours, met_by=met_by, now=now
    )


def expiry_stream(met_by: str) -> str:
    """Return the stream of what the thing of the stream `met_by` expires, now or later."""
    return f"expiry-{met_by.partition('-')[2]}"


def _expiries(
    stream: str,
    *,
    user_id: UUID,
    colours: Iterable[tuple[str, int]],
    met_by: str | None,
    now: datetime,
) -> list[Change]:
    return [
        _expiry(stream, user_id=user_id, colour=colour, amount=amount, met_by=met_by)
        for colour, amount in sorted(colours)
        if amount > 0 and money.is_expired(colour, now=now)
    ]


def _expiry(stream: str, *, user_id: UUID, colour: str, amount: int, met_by: str | None) -> Change:
    amount = min(amount, money.MAX_AMOUNT)
    event = TokensExpired(user_id=user_id, amount=amount, colour=colour, met_by=met_by)
    entries = money.moved(money.available(user_id), money.EXPIRED, ((colour, amount),))
    return Change(stream, event, f"expire:{colour}", entries)
