"""Dead letters of the broker: the book keeps which operator gave one back or dropped it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from ledger.domain.change import Change
from ledger.domain.events import DeadLetterDropped, DeadLetterRequeued, Event, Sealed


@dataclass(frozen=True, kw_only=True, slots=True)
class DeadLetterCommand:
    """An act of the operator `user_id` on one letter; `reason` is why the letter is dead.

    The texts come from the letter and hold no personal text. `note` says why the operator does it.
    """

    act_id: UUID
    user_id: UUID
    queue: str
    message_id: str
    type: str
    reason: str
    note: Sealed | None = None

    @property
    def stream(self) -> str:
        """The act's stream."""
        return f"deadletter-{self.act_id}"


@dataclass(frozen=True, kw_only=True, slots=True)
class RequeueDeadLetter(DeadLetterCommand):
    """Give the letter back to the queue it came from."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DropDeadLetter(DeadLetterCommand):
    """Throw the letter away."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeadLetterAct:
    """The one event of an act's stream."""

    event: Event
    acted_at: datetime


def evolve(state: DeadLetterAct | None, event: Event, at: datetime) -> DeadLetterAct:
    """Return the act that `event` is, whatever was before it."""
    return DeadLetterAct(event=event, acted_at=at)


def requeue_dead_letter(command: RequeueDeadLetter) -> list[Change]:
    """Record that a letter is given back."""
    return [Change(command.stream, DeadLetterRequeued(**_facts(command)))]


def drop_dead_letter(command: DropDeadLetter) -> list[Change]:
    """Record that a letter is thrown away."""
    return [Change(command.stream, DeadLetterDropped(**_facts(command)))]


def _facts(command: DeadLetterCommand) -> dict[str, Any]:
    return {
        "user_id": command.user_id,
        "queue": command.queue,
        "message_id": command.message_id,
        "type": command.type,
        "reason": command.reason,
        "note": command.note,
    }
