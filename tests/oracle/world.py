"""The model's world: tokens, styles, jobs, purchases, payouts; plain, changed in place.

Written from docs/design.md, sections 7 and 8, not from the ledger's code: it keeps no events, and
nothing of `ledger` is imported here or by the rules beside it.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NoReturn
from uuid import UUID

ISSUANCE, REVENUE, GOODWILL = "platform/issuance", "platform/revenue", "platform/goodwill"
EXPIRED, PAID_OUT = "platform/expired", "platform/paid_out"
MOST_TOKENS = 1_000_000_000
LEAST_PRICE, MOST_PRICE = 10, 10_000
FEE_BPS = 1_000
TRAINING_COST = 100
LEAST_IMAGES, MOST_IMAGES = 10, 100
PACKAGES = {"starter": (500, 500), "plus": (2_200, 2_000), "studio": (6_000, 5_000)}


class Refusal(Exception):
    """A rule says no; `details` are those of too few tokens."""

    def __init__(self, code: str, **details: int) -> None:
        super().__init__(code)
        self.code, self.details = code, details


def refuse(code: str, **details: int) -> NoReturn:
    """Say no."""
    raise Refusal(code, **details)


def wallet(user: UUID) -> str:
    """Return the account of what a user can spend."""
    return f"user/{user}/available"


def held(user: UUID) -> str:
    """Return the account of what is set aside for a user's jobs."""
    return f"user/{user}/held"


def artist(person: UUID, account: str) -> str:
    """Return an artist's account: pending, earned or payout."""
    return f"artist/{person}/{account}"


def burn_order(colour: str) -> tuple[int, str]:
    """Sort expiring promo first, the soonest before the others, then promo, then paid."""
    return {"promo": (1, ""), "paid": (2, "")}.get(colour, (0, colour))


@dataclass
class Purse:
    """All accounts: tokens by account and colour."""

    tokens: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))

    def move(self, colour: str, amount: int, giver: str, taker: str) -> None:
        """Move tokens; everything that moves leaves one account and enters another (I1, I2)."""
        self.tokens[giver, colour] -= amount
        self.tokens[taker, colour] += amount

    def colours(self, account: str) -> dict[str, int]:
        """Return what is on an account."""
        return {
            colour: amount for (name, colour), amount in self.tokens.items()
            if name == account and amount
        }  # fmt: skip

    def filled(self) -> dict[tuple[str, str], int]:
        """Return every balance that is not zero."""
        return {place: amount for place, amount in self.tokens.items() if amount}


@dataclass
class Style:
    """A style and its training images."""

    artist: UUID
    price: int
    images: int = 0
    is_locked: bool = False
    is_trained: bool = False
    is_active: bool = True


@dataclass
class Attempt:
    """One try of a job; `claim` is None until a worker binds it."""

    task: UUID
    claim: UUID | None = None
    worker: UUID | None = None


@dataclass
class Job:
    """A training or a generation; `paid_in` is the hold by colour."""

    id: UUID
    kind: str
    payer: UUID
    style: UUID
    artist: UUID | None
    price: int
    paid_in: list[tuple[str, int]]
    attempts: list[Attempt]
    start_by: datetime
    deadline: datetime
    status: str = "queued"
    was_started: bool = False
    sequence: int = 0
    tenth: int = 0
    leased_until: datetime | None = None
    retry_at: datetime | None = None
    is_cancel_asked: bool = False
    late: list[tuple[UUID, str, datetime]] = field(default_factory=list)  # task, sha256, kept until
    result: str | None = None
    captured_at: datetime | None = None
    shares: list[tuple[str, int, int]] = field(default_factory=list)  # colour, artist's, platform's
    captured: int = 0
    released: int = 0
    refunded: int = 0
    refunded_from: str | None = None
    is_cleared: bool = False

    @property
    def is_ended(self) -> bool:
        """Whether the job has ended."""
        return self.status in {"completed", "failed", "expired", "canceled"}

    @property
    def newest(self) -> Attempt:
        """The newest attempt."""
        return self.attempts[-1]

    def billing(self) -> dict[str, Any]:
        """Return what is shown of the job and its tokens."""
        return {
            "status": self.status, "attempts": len(self.attempts), "quote": self.price,
            "held": self.price, "captured": self.captured, "released": self.released,
            "refunded": self.refunded,
        }  # fmt: skip


@dataclass
class Purchase:
    """A package that somebody buys."""

    buyer: UUID
    tokens: int
    cents: int
    expires: datetime
    status: str = "started"
    payment: str | None = None
    disputed: str | None = None
    issued: int = 0
    unissued: int = 0

    def shown(self) -> dict[str, Any]:
        """Return what is shown of it."""
        return {
            "status": self.status, "is_disputed": self.disputed is not None,
            "issued": self.issued, "unissued": self.unissued,
        }  # fmt: skip


@dataclass
class Payout:
    """Earnings on their way out."""

    artist: UUID
    amount: int
    status: str = "requested"


@dataclass
class World:
    """Everything there is; `jitter` gives the part of a quarter by which a pause is longer."""

    now: datetime
    jitter: Callable[[UUID], float]
    purse: Purse = field(default_factory=Purse)
    styles: dict[UUID, Style] = field(default_factory=dict)
    jobs: dict[UUID, Job] = field(default_factory=dict)
    purchases: dict[UUID, Purchase] = field(default_factory=dict)
    payouts: dict[UUID, Payout] = field(default_factory=dict)

    def after(self, **given: float) -> datetime:
        """Return the time that is `given` (as of timedelta) from now."""
        return self.now + timedelta(**given)

    def is_over(self, colour: str) -> bool:
        """Return whether the last day of a colour is over."""
        return colour.startswith("promo@") and colour[6:] < self.now.date().isoformat()

    def burn(self, user: UUID, amount: int) -> list[tuple[str, int]]:
        """Return the colours of a user's wallet that pay `amount`."""
        have = self.purse.colours(wallet(user))
        usable = sorted((one for one in have if not self.is_over(one)), key=burn_order)
        paid_in, missing = [], amount
        for colour in usable:
            taken = min(have[colour], missing)
            if taken:
                paid_in.append((colour, taken))
            missing -= taken
        if missing:
            refuse(
                "insufficient_tokens",
                required=amount, available=amount - missing, shortfall=missing,
            )  # fmt: skip
        return paid_in

    def sweep(self, user: UUID, amounts: list[tuple[str, int]] | None = None) -> None:
        """Take out of a wallet what is over: all of it, or of `amounts` that just came back."""
        found = self.purse.colours(wallet(user)).items() if amounts is None else amounts
        for colour, amount in list(found):
            if self.is_over(colour):
                self.purse.move(colour, amount, wallet(user), EXPIRED)
