"""Money: accounts, colours, entries, burn order and the fee (design section 7).

Every module that moves tokens uses it; amounts are whole tokens.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID

from ledger.domain.errors import AmountOutOfRange, InsufficientTokens, InvariantBroken

MAX_AMOUNT = 1_000_000_000  # of one movement
MAX_BALANCE = 2**53 - 1  # what JSON readers hold exactly
BPS = 10_000

PAID = "paid"
PROMO = "promo"

ISSUANCE = "platform/issuance"
REVENUE = "platform/revenue"
GOODWILL = "platform/goodwill"
EXPIRED = "platform/expired"
PAID_OUT = "platform/paid_out"

Colours = tuple[tuple[str, int], ...]  # (colour, amount) in burn order
Split = tuple[tuple[str, int, int], ...]  # (colour, artist's part, platform's part)

_GUARDED = re.compile(r"user/[^/]+/(available|held)|artist/[^/]+/(earned|payout)")
_EXPIRING = re.compile(r"promo@(\d{4}-\d\d-\d\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a movement: `amount` tokens of `colour` into `account`, negative for out of."""

    account: str
    colour: str
    amount: int


def available(user_id: UUID) -> str:
    """Return the account of a user's spendable tokens."""
    return f"user/{user_id}/available"


def held(user_id: UUID) -> str:
    """Return the account of a user's tokens that are set aside for jobs."""
    return f"user/{user_id}/held"


def pending(artist_id: UUID) -> str:
    """Return the account of an artist's earnings inside the refund window."""
    return f"artist/{artist_id}/pending"


def earned(artist_id: UUID) -> str:
    """Return the account of an artist's cleared earnings."""
    return f"artist/{artist_id}/earned"


def payout(artist_id: UUID) -> str:
    """Return the account of an artist's earnings that are on their way out."""
    return f"artist/{artist_id}/payout"


def is_guarded(account: str) -> bool:
    """Return whether `account` may never go below zero (G3)."""
    return _GUARDED.fullmatch(account) is not None


def expiring(last_day: date) -> str:
    """Return the promo colour that expires at the end of `last_day`, UTC."""
    return f"promo@{last_day.isoformat()}"


def is_colour(text: str) -> bool:
    """Return whether `text` is `paid`, `promo` or `promo@` with a day that exists."""
    if text in (PAID, PROMO):
        return True
    match = _EXPIRING.fullmatch(text)
    if match is None:
        return False
    try:
        date.fromisoformat(match[1])
    except ValueError:
        return False
    return True


def is_expiring(colour: str) -> bool:
    """Return whether `colour` has a last day."""
    return colour.startswith("promo@")


def is_expired(colour: str, *, now: datetime) -> bool:
    """Return whether the last day of `colour` is over in UTC at `now` (aware)."""
    return is_expiring(colour) and colour < expiring(now.astimezone(UTC).date())


def lasting(colour: str) -> str:
    """Return the colour that tokens of `colour` have once captured: nothing earned expires."""
    return PROMO if is_expiring(colour) else colour


def check_amount(amount: int) -> int:
    """Return `amount`, or raise AmountOutOfRange unless a movement may have this size."""
    if not 1 <= amount <= MAX_AMOUNT:
        raise AmountOutOfRange(minimum=1, maximum=MAX_AMOUNT)
    return amount


def check_movement(entries: Iterable[Entry]) -> None:
    """Raise InvariantBroken unless `entries` sum to zero per colour (G2, I1)."""
    sums: dict[str, int] = {}
    for entry in entries:
        if not 1 <= abs(entry.amount) <= MAX_AMOUNT or not is_colour(entry.colour):
            raise InvariantBroken(f"I1: not an entry: {entry}")
        sums[entry.colour] = sums.get(entry.colour, 0) + entry.amount
    if any(sums.values()):
        raise InvariantBroken(f"I1: a movement does not sum to zero: {sums}")


def moved(giver: str, taker: str, colours: Colours) -> tuple[Entry, ...]:
    """Return the entries that move `colours` from one account to another."""
    taken = (Entry(giver, colour, -amount) for colour, amount in colours)
    given = (Entry(taker, colour, amount) for colour, amount in colours)
    return (*taken, *given)


def total(colours: Colours) -> int:
    """Return the tokens in `colours`, all colours together."""
    return sum(amount for _, amount in colours)


def burn_rank(colour: str) -> tuple[int, str]:
    """Return the sort key of the burn order: expiring promo soonest first, promo, paid."""
    if is_expiring(colour):
        return 0, colour
    return (1 if colour == PROMO else 2), colour


def burn(*, available: Mapping[str, int], amount: int, now: datetime) -> Colours:
    """Return which colours of `available` pay `amount`, in burn order; expired ones never do.

    Raises InsufficientTokens.
    """
    usable = {colour: have for colour, have in available.items() if not is_expired(colour, now=now)}
    missing = amount
    burnt: list[tuple[str, int]] = []
    for colour in sorted(usable, key=burn_rank):
        taken = min(usable[colour], missing)
        if taken > 0:
            burnt.append((colour, taken))
            missing -= taken
    if missing > 0:
        raise InsufficientTokens(required=amount, available=amount - missing, shortfall=missing)
    return tuple(burnt)


def captured(colours: Colours) -> Colours:
    """Return `colours` as they are once captured: expiring ones have become promo."""
    sums: dict[str, int] = {}
    for colour, amount in colours:
        sums[lasting(colour)] = sums.get(lasting(colour), 0) + amount
    return tuple(sorted(sums.items(), key=lambda item: burn_rank(item[0])))


def split_price(*, colours: Colours, fee_bps: int) -> Split:
    """Return who gets what of a price paid in `colours`: F = floor(P * fee_bps / 10000) a colour.

    `fee_bps` is in hundredths of a per cent, 0-10,000; 10,000 gives all to the platform.
    """
    parts: list[tuple[str, int, int]] = []
    for colour, amount in captured(colours):
        fee = amount * fee_bps // BPS
        parts.append((colour, amount - fee, fee))
    return tuple(parts)
