"""Answers to whoever asked over RabbitMQ: sent once at most, and never waited for."""

import logging
import threading
from collections.abc import Sequence
from functools import partial

from consumers.amqp import Topology
from consumers.broker import BrokerError, Message, Refused, answer_fault
from consumers.publisher import Outgoing, Publisher

MOST_WAITING = 10_000  # answers without a confirm; more are dropped
logger = logging.getLogger(__name__)


class Answers:
    """Publishes answers to queues that are not ours."""

    def __init__(self, publisher: Publisher, topology: Topology) -> None:
        self._publisher = publisher
        self._topology = topology
        self._lock = threading.Lock()  # guards _waiting
        self._waiting = 0

    def send(self, answers: Sequence[tuple[str, Message]]) -> None:
        """Send (queue, message) pairs; what cannot be sent is dropped and logged."""
        outgoing = []
        for queue, message in answers:
            if fault := self._fault(queue, message):
                _drop(queue, fault)
            else:
                on_done = partial(self._done, queue)
                outgoing.append(
                    Outgoing(queue=queue, message=message, on_done=on_done, is_answer=True)
                )
        self._publisher.submit(outgoing)

    def _fault(self, queue: str, message: Message) -> BrokerError | None:
        ours = {self._topology.prefix + one.name for one in self._topology.queues()}
        if fault := answer_fault(queue, message, ours):
            return fault
        with self._lock:
            if self._waiting >= MOST_WAITING:
                return Refused(f"{MOST_WAITING} answers wait for the broker.")
            self._waiting += 1
        return None

    def _done(self, queue: str, error: BrokerError | None) -> None:
        with self._lock:
            self._waiting -= 1
        if error is not None:
            _drop(queue, error)


def _drop(queue: str, error: BrokerError) -> None:
    logger.warning("An answer to %s was dropped: %s", queue, error)
