"""Tasks from RabbitMQ for the kit, through the project's own broker; imported when it is used."""

import threading
from collections.abc import Callable, Sequence

from consumers.broker import START_SECONDS, BrokerError, Delivery
from consumers.rabbitmq import RabbitBroker
from consumers.topology import IMAGE_GENERATION, family_queue, topology
from consumers.worker.sources import QueuesUnavailable
from consumers.worker.worker import Message

LOOK_SECONDS = 0.2
DEFER_SECONDS = 5.0


class QueuedTask:
    """A delivery of the broker in the words of the kit."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self.body = delivery.message.body

    def acknowledge(self) -> None:
        """Take it off the queue."""
        self._delivery.ack()

    def give_back(self, reason: str) -> None:
        """Let it be delivered again in a while; that is no failure of the task."""
        self._delivery.defer(DEFER_SECONDS)

    def refuse(self, reason: str) -> None:
        """Send it to the dead letters."""
        self._delivery.dead_letter(reason)


class RabbitQueues:
    """The task queues at an amqp:// URL, whose names have a prefix in the broker."""

    def __init__(
        self,
        url: str,
        *,
        prefix: str,
        family: str = "",
        close_seconds: float,
        start_seconds: float = START_SECONDS,
    ) -> None:
        self._url = url
        self._prefix = prefix
        self._family = family
        self._close_seconds = close_seconds
        self._start_seconds = start_seconds

    def consume(
        self, names: Sequence[str], handle: Callable[[Message], None], stop: threading.Event
    ) -> None:
        """Call `handle` for each message until `stop`; then wait for the one in hand.

        Raises QueuesUnavailable, at the start after `start_seconds`.
        """
        broker = self._broker()

        def on_deliveries(deliveries: Sequence[Delivery]) -> None:
            for delivery in deliveries:
                handle(QueuedTask(delivery))

        try:
            broker.declare(topology([self._family] if self._family else []))
            wanted = [family_queue(self._family) if n == IMAGE_GENERATION else n for n in names]
            subscription = broker.consume(wanted, on_deliveries, prefetch=1)
            while not stop.wait(LOOK_SECONDS):
                subscription.wait(0)  # raises what ended it
        except BrokerError as error:
            raise QueuesUnavailable(str(error)) from error
        finally:
            broker.close(self._close_seconds)

    def _broker(self) -> RabbitBroker:
        try:
            return RabbitBroker(self._url, prefix=self._prefix, start_seconds=self._start_seconds)
        except BrokerError as error:
            raise QueuesUnavailable(str(error)) from error
