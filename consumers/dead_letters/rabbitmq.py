"""The dead letters in RabbitMQ.

It cannot be asked what is in a queue: letters are fetched and not acknowledged, and the end of
their channel gives them back. Meanwhile nobody else sees them.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from consumers.amqp import dead_at, dialled, is_missing, login_of, message_of, parameters_of
from consumers.dead_letters.letters import MOST_SEARCHED, Letter

COUNT_SECONDS = 2.0  # to reach each host: whoever counts waits for no outage


class RabbitLetters:
    """Dead letters at an AMQP URL; raises BrokerError."""

    def __init__(self, url: str, *, prefix: str = "") -> None:
        self._url = url
        self._prefix = prefix
        self._logins = frozenset(map(login_of, parameters_of(url)))
        self._channel: Any = None

    def counts(self, queues: Sequence[str]) -> dict[str, int]:
        """Return how many letters wait in each queue, 0 where it does not exist."""
        with dialled(self._url, timeout_seconds=COUNT_SECONDS) as connection:
            found = depths(connection, [self._prefix + queue for queue in queues])
        return {queue: found.get(self._prefix + queue, 0) for queue in queues}

    @contextmanager
    def letters(self, queue: str, *, limit: int, id: str | None = None) -> Iterator[Any]:
        """Give letters one at a time; those that are not removed go back at the end."""
        with dialled(self._url) as connection:
            is_there = depths(connection, [self._prefix + queue])
            self._channel = connection.channel()
            try:
                yield self._fetched(queue, limit, id) if is_there else iter(())
            finally:
                if self._channel.is_open:
                    self._channel.close()  # answered once every acknowledgement is done

    def remove(self, letter: Letter) -> None:
        """Acknowledge the letter."""
        self._channel.basic_ack(letter.mark)

    def _fetched(self, queue: str, limit: int, id: str | None) -> Iterator[Letter]:
        left = limit
        for _ in range(limit if id is None else MOST_SEARCHED):
            method, properties, body = self._channel.basic_get(self._prefix + queue)
            if method is None:
                return
            letter = Letter(
                queue=queue,
                message=message_of(properties, body, self._prefix, self._logins),
                dead_at=dead_at(properties),
                mark=method.delivery_tag,
            )
            if id in (None, letter.id):
                yield letter
                left -= 1
            if not left:
                return


def depths(connection: Any, names: Sequence[str]) -> dict[str, int]:
    """Return how many messages wait in each queue of `names` that exists."""
    found, channel = {}, connection.channel()
    for name in names:
        try:
            found[name] = channel.queue_declare(name, passive=True).method.message_count
        except Exception as error:
            if not is_missing(error):
                raise
            channel = connection.channel()  # the broker has closed the other one
    return found
