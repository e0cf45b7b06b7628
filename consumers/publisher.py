"""Publishing to RabbitMQ: a window of confirms in flight, and a result for every message."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from consumers.amqp import Link, Topology, is_ack, login_of, properties_of
from consumers.broker import BrokerError, Message, Refused, Unroutable, fault_of

WINDOW = 500  # messages in flight
WINDOW_BYTES = 16 * 1_048_576
REFUSED_SECONDS = 3.0  # after which a channel whose messages are refused is replaced


@dataclass(slots=True, eq=False)
class Outgoing:
    """A message on its way; `on_done` is called once, in the publisher's thread.

    An answer goes to a queue that is not ours, by its whole name.
    """

    queue: str
    message: Message
    on_done: Callable[[BrokerError | None], None]
    attempts: int = 0
    is_answer: bool = False
    is_given_up: bool = False
    error: BrokerError | None = None


class Publisher:
    """Publishes with confirms, up to WINDOW messages in flight, in the order of submission."""

    def __init__(self, hosts: Sequence[Any], topology: Topology) -> None:
        self._topology = topology
        self._lock = threading.Lock()  # guards _waiting
        self._waiting: deque[Outgoing] = deque()
        self._in_flight: dict[int, Outgoing] = {}
        self._in_flight_bytes = 0
        self._tag = 0
        self._channel: Any = None
        self._refused_since: dict[str, float] = {}  # by queue, on the monotonic clock
        self.link = Link(
            name="publish",
            hosts=hosts,
            topology=topology,
            on_channel=self._on_channel,
            on_lost=self._on_lost,
        )

    def submit(self, messages: Sequence[Outgoing]) -> None:
        """Publish `messages` when there is a connection; from any thread."""
        with self._lock:
            self._waiting.extend(messages)
        if self.link.ended():
            self._fail_waiting()
        self.link.call(self._pump)

    def withdraw(self) -> None:
        """Forget what waits for a connection and was given up."""
        with self._lock:
            self._waiting = deque(one for one in self._waiting if not one.is_given_up)

    def _on_channel(self, channel: Any) -> None:
        self._channel, self._tag = channel, 0
        self._refused_since.clear()
        channel.add_on_return_callback(self._on_return)
        channel.confirm_delivery(self._on_confirm, callback=lambda _: self._begin())

    def _begin(self) -> None:
        self.link.mark_ready()
        self._pump()

    def _pump(self) -> None:
        if self._channel is None or not self._channel.is_open:
            return
        while len(self._in_flight) < WINDOW and self._in_flight_bytes < WINDOW_BYTES:
            with self._lock:
                if not self._waiting:
                    return
                outgoing = self._waiting.popleft()
            if not outgoing.is_given_up:
                self._send(outgoing)

    def _send(self, outgoing: Outgoing) -> None:
        self._tag += 1
        self._in_flight[self._tag] = outgoing
        self._in_flight_bytes += len(outgoing.message.body)
        login = login_of(self._channel.connection.params)
        self._channel.basic_publish(
            exchange="",
            routing_key=self._key(outgoing),
            body=outgoing.message.body,
            properties=properties_of(outgoing.message, outgoing.attempts, login),
            mandatory=True,
        )

    def _key(self, outgoing: Outgoing) -> str:
        return outgoing.queue if outgoing.is_answer else self._topology.prefix + outgoing.queue

    def _on_return(self, _channel: Any, method: Any, properties: Any, _body: bytes) -> None:
        """Mark what the broker could not route; its confirm follows."""
        for outgoing in self._in_flight.values():
            is_same_queue = self._key(outgoing) == method.routing_key
            if is_same_queue and outgoing.message.id == (properties.message_id or ""):
                outgoing.error = Unroutable(f"No such queue: {method.routing_key}")

    def _on_confirm(self, frame: Any) -> None:
        last = frame.method.delivery_tag
        first = next(iter(self._in_flight), last) if frame.method.multiple else last
        for tag in range(first, last + 1):
            if (outgoing := self._in_flight.pop(tag, None)) is not None:
                self._in_flight_bytes -= len(outgoing.message.body)
                outgoing.on_done(outgoing.error or self._verdict(outgoing.queue, is_ack(frame)))
        self._pump()

    def _verdict(self, queue: str, is_taken: bool) -> Refused | None:
        """Return the error of a refused message, and replace a channel that is always refused.

        One that was opened while a quorum queue changed its leader may be refused for ever, full
        or not (seen on RabbitMQ 3.10).
        """
        if is_taken:
            self._refused_since.pop(queue, None)
            return None
        now = time.monotonic()
        if now - self._refused_since.setdefault(queue, now) > REFUSED_SECONDS:
            self._refused_since.clear()
            self.link.redial()
        return Refused(f"The queue takes no message, it is full or has no leader: {queue}")

    def _on_lost(self, error: BrokerError) -> None:
        self._channel = None
        lost, self._in_flight, self._in_flight_bytes = self._in_flight, {}, 0
        for outgoing in lost.values():
            outgoing.on_done(error)
        if self.link.ended():
            self._fail_waiting()

    def _fail_waiting(self) -> None:
        error = self.link.ended()
        with self._lock:
            failed, self._waiting = self._waiting, deque()
        for outgoing in failed:
            outgoing.on_done(error)


class Batch:
    """The results of one `publish_many`, filled in by the publisher's thread."""

    def __init__(self, messages: Sequence[tuple[str, Message]]) -> None:
        self._results: list[BrokerError | None] = [fault_of(message) for _, message in messages]
        self._open = {index for index, fault in enumerate(self._results) if fault is None}
        self._state = threading.Condition()
        self.outgoing = [
            Outgoing(queue=queue, message=message, on_done=partial(self._done, index))
            for index, (queue, message) in enumerate(messages)
            if index in self._open
        ]

    def wait(
        self, timeout_seconds: float, late: Callable[[], BrokerError]
    ) -> list[BrokerError | None]:
        """Return a result per message; what has none in time gets that of `late`, for good."""
        with self._state:
            self._state.wait_for(lambda: not self._open, timeout_seconds)
            for outgoing in self.outgoing:
                outgoing.is_given_up = True
            for index in self._open:
                self._results[index] = late()
            self._open.clear()
            return self._results

    def _done(self, index: int, error: BrokerError | None) -> None:
        with self._state:
            if index in self._open:
                self._open.remove(index)
                self._results[index] = error
                self._state.notify_all()
