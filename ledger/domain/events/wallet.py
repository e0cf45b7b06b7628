"""Tokens that come, go and expire without a job: streams grant-, transfer- and expiry-<uuid>."""

from dataclasses import dataclass
from uuid import UUID

from ledger.domain.events.base import Event, Sealed


@dataclass(frozen=True, kw_only=True, slots=True)
class TokensGranted(Event):
    """Tokens were given by the platform; `reason` is a code such as `welcome`."""

    user_id: UUID
    amount: int
    colour: str
    reason: str
    memo: Sealed | None


@dataclass(frozen=True, kw_only=True, slots=True)
class TokensTransferred(Event):
    """Paid tokens went from one user to another; the memo is the sender's."""

    user_id: UUID
    recipient_id: UUID
    amount: int
    memo: Sealed | None


@dataclass(frozen=True, kw_only=True, slots=True)
class TokensExpired(Event):
    """Tokens of an expired colour left the wallet.

    `met_by` is the stream whose command met them, None for the timer.
    """

    user_id: UUID
    amount: int
    colour: str
    met_by: str | None
