"""What a dead letter is, where it was before, and how a broker lets one look at them."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from consumers.broker import DEAD_QUEUE, DEAD_REASON, Message, Queue
from consumers.topology import DEAD_SUFFIX

MOST_SEARCHED = 10_000  # letters of a queue that are looked through for one


@dataclass(frozen=True, kw_only=True, slots=True)
class Letter:
    """A message in a dead-letter queue; `mark` is how its broker knows it meanwhile."""

    queue: str
    message: Message
    dead_at: datetime | None  # None: the broker does not say
    mark: int

    @property
    def id(self) -> str:
        """The message's id, or the SHA-256 of its body where it came without one."""
        return self.message.id or f"sha256:{hashlib.sha256(self.message.body).hexdigest()}"

    @property
    def reason(self) -> str:
        """Why it is dead."""
        return str(self.message.headers.get(DEAD_REASON, ""))

    def revived(self) -> Message:
        """Return the message as it was before it died."""
        kept = {
            name: value
            for name, value in self.message.headers.items()
            if name not in (DEAD_REASON, DEAD_QUEUE)
        }
        return replace(self.message, headers=kept)


class Letters(Protocol):
    """The dead letters of one broker."""

    def counts(self, queues: Sequence[str]) -> dict[str, int]:
        """Return how many letters wait in each queue, 0 where it does not exist."""

    def letters(
        self, queue: str, *, limit: int, id: str | None = None
    ) -> AbstractContextManager[Iterator[Letter]]:
        """Give up to `limit` letters, one at a time, the oldest first; with `id` those of it.

        RabbitMQ puts letters that were looked at behind the others, and looks through
        MOST_SEARCHED for an `id`. What was not removed is there again when the context ends.
        """

    def remove(self, letter: Letter) -> None:
        """Take a letter out for good; within the context that gave it."""


def origins(queues: Iterable[Queue]) -> dict[str, str]:
    """Return by dead-letter queue the queue that it serves.

    What a letter says of itself is not believed: a stranger may have written it.
    """
    return {queue.dead_letter_queue: queue.name for queue in queues if queue.dead_letter_queue}


def chosen(name: str | None, known: Sequence[str]) -> list[str]:
    """Return the dead-letter queues that `name` means: it, those of it, or all for None."""
    return [queue for queue in known if name in (None, queue) or queue == f"{name}{DEAD_SUFFIX}"]
