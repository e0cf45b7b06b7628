"""What operators do with dead letters: streams deadletter-<uuid>, one for each act."""

from dataclasses import dataclass
from uuid import UUID

from ledger.domain.events.base import Event, Sealed


@dataclass(frozen=True, kw_only=True, slots=True)
class DeadLetterRequeued(Event):
    """The operator `user_id` gives a dead letter back to the queue it came from.

    Recorded before it is done: a letter that is still dead was not given back, and the next act
    on it is another event. `queue` is where the letter was dead, `reason` why.
    """

    user_id: UUID
    queue: str
    message_id: str
    type: str
    reason: str
    note: Sealed | None


@dataclass(frozen=True, kw_only=True, slots=True)
class DeadLetterDropped(Event):
    """The operator `user_id` throws a dead letter away; `note` says why.

    Recorded before it is done, as DeadLetterRequeued is.
    """

    user_id: UUID
    queue: str
    message_id: str
    type: str
    reason: str
    note: Sealed | None
