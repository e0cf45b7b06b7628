"""Tokens set aside for a job, and what became of them: in the job's own stream.

`colours` is (colour, amount) in burn order, fixed when the tokens were held.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledger.domain.events.base import Event


@dataclass(frozen=True, kw_only=True, slots=True)
class TokensHeld(Event):
    """The job's whole price was set aside (G4)."""

    user_id: UUID
    amount: int
    colours: tuple[tuple[str, int], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class HoldCaptured(Event):
    """The hold was paid out whole: `split` is (colour, artist's part, platform's part).

    `artist_id`, `refundable_until_at` and `clears_at` are None where the platform gets it all.
    """

    user_id: UUID
    artist_id: UUID | None
    style_id: UUID
    amount: int
    colours: tuple[tuple[str, int], ...]
    split: tuple[tuple[str, int, int], ...]
    refundable_until_at: datetime | None
    clears_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class HoldReleased(Event):
    """The hold went back whole, each colour as it came; `reason` is the job's outcome."""

    user_id: UUID
    amount: int
    colours: tuple[tuple[str, int], ...]
    reason: str
