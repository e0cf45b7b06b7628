"""The dead letters of the embedded queue in PostgreSQL."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from consumers.dead_letters.letters import Letter
from consumers.embedded import database_as_broker, stored_message
from core import queue as store

PAGE_LETTERS = 20  # of a megabyte at most


class EmbeddedLetters:
    """Dead letters in the application's own database; raises BrokerUnavailable."""

    def counts(self, queues: Sequence[str]) -> dict[str, int]:
        """Return how many letters wait in each queue, 0 where it does not exist."""
        with database_as_broker():
            return store.waiting(queues)

    @contextmanager
    def letters(
        self, queue: str, *, limit: int, id: str | None = None
    ) -> Iterator[Iterator[Letter]]:
        """Give letters one at a time, read page by page."""
        yield self._read(queue, limit, id)

    def remove(self, letter: Letter) -> None:
        """Delete the letter."""
        with database_as_broker():
            store.ack(letter.queue, message_id=letter.message.id)

    def _read(self, queue: str, limit: int, id: str | None) -> Iterator[Letter]:
        last, left = 0, limit
        while left > 0:
            with database_as_broker():
                page = store.browse(queue, after=last, limit=min(left, PAGE_LETTERS), message_id=id)
            if not page:
                return
            for one in page:
                message = stored_message(one)
                yield Letter(queue=queue, message=message, dead_at=one.queued_at, mark=one.serial)
            last, left = page[-1].serial, left - len(page)
