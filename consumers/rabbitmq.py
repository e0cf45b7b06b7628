"""The broker interface over RabbitMQ. Free of Django, because workers use it too."""

import os
import threading
import time
from collections.abc import Sequence
from functools import partial

from consumers.amqp import Topology, parameters_of
from consumers.answers import Answers
from consumers.broker import (
    PUBLISH_SECONDS,
    START_SECONDS,
    BrokerError,
    Handler,
    Message,
    Queue,
)
from consumers.publisher import Batch, Publisher
from consumers.source import AmqpSource
from consumers.subscription import STOP_SECONDS, ThreadedSubscription, stop_all


class RabbitBroker:
    """RabbitMQ at `url` (one or several hosts); queue names get `prefix` in the broker only."""

    def __init__(self, url: str, *, prefix: str = "", start_seconds: float = START_SECONDS) -> None:
        self._start_seconds = start_seconds
        self._hosts = parameters_of(url)
        self._topology = Topology(prefix)
        self._publisher = Publisher(self._hosts, self._topology)
        self._answers = Answers(self._publisher, self._topology)
        self._subscriptions: list[ThreadedSubscription] = []
        self._lock = threading.Lock()
        self._is_started = False
        self._process = os.getpid()

    def declare(self, queues: Sequence[Queue]) -> None:
        """Make sure that `queues` are there, now and after every reconnect.

        Raises QueueMismatch, and BrokerUnavailable after the time that a start may take.
        """
        is_new = self._topology.add(queues)
        if not self._start() and is_new:
            self._publisher.link.redial()
        self._publisher.link.wait_ready(self._start_seconds)

    def publish(
        self, queue: str, message: Message, *, timeout_seconds: float = PUBLISH_SECONDS
    ) -> None:
        """Return once the broker has stored `message`, else raise a BrokerError."""
        (error,) = self.publish_many([(queue, message)], timeout_seconds=timeout_seconds)
        if error is not None:
            raise error

    def publish_many(
        self,
        messages: Sequence[tuple[str, Message]],
        *,
        timeout_seconds: float = PUBLISH_SECONDS,
    ) -> list[BrokerError | None]:
        """Publish (queue, message) pairs in order; per pair None once stored, or its error.

        What was sent when the connection was lost fails at once and may or may not be stored; what
        was not sent yet waits for the next connection.
        """
        self._start()
        batch = Batch(messages)
        self._publisher.submit(batch.outgoing)
        what = f"No confirm within {timeout_seconds:g} s"
        results = batch.wait(timeout_seconds, partial(self._publisher.link.unavailable, what))
        self._publisher.withdraw()
        return results

    def answer(self, answers: Sequence[tuple[str, Message]]) -> None:
        """Send each (`reply_to` of its asker, message) pair, once at most; wait for nothing."""
        self._start()
        self._answers.send(answers)

    def consume(
        self, queues: Sequence[str], handler: Handler, *, prefetch: int
    ) -> ThreadedSubscription:
        """Hand batches of 1 to `prefetch` deliveries to `handler`, in a thread of its own."""
        self._start()
        source = AmqpSource(
            hosts=self._hosts,
            topology=self._topology,
            publisher=self._publisher,
            queues=queues,
            prefetch=prefetch,
        )
        source.link.start()
        try:
            source.link.wait_ready(self._start_seconds)
        except BrokerError:
            source.link.close()
            raise
        subscription = ThreadedSubscription(source, handler, "+".join(queues))
        self._subscriptions.append(subscription)
        return subscription

    def close(self, timeout_seconds: float = STOP_SECONDS) -> bool:
        """Stop every subscription, then the connections; return whether all ended in time."""
        until = time.monotonic() + timeout_seconds
        have_ended = stop_all(self._subscriptions, timeout_seconds)
        return self._publisher.link.close(max(0.1, until - time.monotonic())) and have_ended

    def _start(self) -> bool:
        """Start the publisher's link unless it runs; return whether that was now."""
        if os.getpid() != self._process:
            raise RuntimeError("A broker's connections are never shared over a fork.")
        with self._lock:
            is_first, self._is_started = not self._is_started, True
        if is_first:
            self._publisher.link.start()
        return is_first
