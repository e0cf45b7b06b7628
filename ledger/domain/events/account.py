"""A person as the book knows them: streams account-<uuid of the user>."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledger.domain.events.base import Event, Sealed


@dataclass(frozen=True, kw_only=True, slots=True)
class ArtistNamed(Event):
    """The user is an artist, shown under this name from now on."""

    user_id: UUID
    name: Sealed


@dataclass(frozen=True, kw_only=True, slots=True)
class SignatureSet(Event):
    """The artist's visible mark is the picture under `key`; None: the name is the mark."""

    user_id: UUID
    key: str | None
    sha256: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountFlagged(Event):
    """Operators should look at the account; `cause` is the stream that made it so."""

    user_id: UUID
    reason: str
    cause: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountFrozen(Event):
    """The account can spend and send nothing until it is unfrozen; `reason` is a code."""

    user_id: UUID
    reason: str
    note: Sealed | None


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountUnfrozen(Event):
    """The account works again; `reason` is a code."""

    user_id: UUID
    reason: str
    note: Sealed | None


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountClosed(Event):
    """The person left; tokens and history stay explained."""

    user_id: UUID
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PersonErased(Event):
    """The person's key was destroyed: their sealed text is unreadable for ever (G14).

    `reason` is the operator's words and names nobody.
    """

    user_id: UUID
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class NotificationRead(Event):
    """The user has seen one notification, named by the event that caused it."""

    user_id: UUID
    event_id: UUID


@dataclass(frozen=True, kw_only=True, slots=True)
class NotificationsRead(Event):
    """The user has seen every notification up to `until_at`."""

    user_id: UUID
    until_at: datetime
