"""What a message broker does for us, whichever one it is; `amqp` and `embedded` are the two.

Free of Django, because workers use it too. Delivery is at least once: handlers meet duplicates.
"""

import threading
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

MAX_BODY_BYTES = 1_048_576
MAX_NAME_BYTES = 255  # AMQP's short string: ids, types, queue names and header names
MAX_HEADERS = 32
DIRECT_REPLY = "amq.rabbitmq.reply-to"  # RabbitMQ's way to answer without a queue
MAX_HEADER_BYTES = 4_096
START_SECONDS = 30.0  # how long a broker may be away when a process starts
PUBLISH_SECONDS = 10.0  # how long a publish waits for the broker's word
DEAD_REASON = "dead-reason"  # header of a dead letter: why
DEAD_QUEUE = "dead-queue"  # header of a dead letter: where it was

Headers = Mapping[str, str | int]


class BrokerError(Exception):
    """The broker could not do what was asked."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or self.__doc__)


class BrokerUnavailable(BrokerError):
    """The broker is away or did not answer in time: the message may or may not be there."""


class QueueMissing(BrokerError):
    """No such queue was declared."""


class QueueMismatch(BrokerError):
    """A queue of that name exists with other settings."""


class Unroutable(BrokerError):
    """The broker knows no queue for this message."""


class Refused(BrokerError):
    """The broker does not take this message: it is malformed, too large, or the queue is full."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Queue:
    """One durable queue: a message fails `delivery_limit` times and is delivered once more at most.

    `lease_seconds` is how long the embedded queue waits for a consumer that took a message.
    """

    name: str
    delivery_limit: int | None = 20
    max_length: int = 100_000
    lease_seconds: float = 60.0
    dead_letter_queue: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One message, always persistent; `id` names the same work however often it is delivered.

    `reply_to` is the queue for its answer, by its whole name; an answer has the asker's `id` as
    `correlation_id`. `sender` is the broker's user who published it, where the broker has proven
    that; whoever publishes a message under it vouches for having had it from a delivery.
    """

    id: str
    type: str
    body: bytes
    headers: Headers = field(default_factory=dict)
    reply_to: str = ""
    correlation_id: str = ""
    sender: str = ""


def check(message: Message) -> None:
    """Raise Refused unless both brokers can carry `message` unchanged."""
    if len(message.body) > MAX_BODY_BYTES:
        raise Refused(f"The body has {len(message.body)} bytes, {MAX_BODY_BYTES} are allowed.")
    if not message.id or not message.type or len(message.headers) > MAX_HEADERS:
        raise Refused(f"An id, a type and at most {MAX_HEADERS} headers are needed.")
    if any(name.startswith("x-") for name in message.headers):
        raise Refused("Header names that start with x- belong to the broker.")
    texts = (message.id, message.type, message.reply_to, message.correlation_id, message.sender)
    for name in (*texts, *message.headers):
        _check_text(name, MAX_NAME_BYTES)
    for value in message.headers.values():
        if isinstance(value, str):
            _check_text(value, MAX_HEADER_BYTES)
        elif abs(value) >= 2**63:
            raise Refused(f"A header's number has at most 64 bits: {value}")


def fault_of(message: Message) -> BrokerError | None:
    """Return why no broker may be given `message`, or None."""
    try:
        check(message)
    except Refused as refused:
        return refused
    return None


def answer_fault(queue: str, message: Message, ours: Container[str]) -> BrokerError | None:
    """Return why `message` may not be sent to the queue that an asker named, or None."""
    if queue in ours:
        return Refused("It is a queue of ours.")
    if queue.startswith(DIRECT_REPLY):
        return Refused("It is no queue, and a forged one ends our connection.")
    try:
        _check_text(queue, MAX_NAME_BYTES)
    except Refused as refused:
        return refused
    return fault_of(message)


def _check_text(text: str, limit_bytes: int) -> None:
    try:
        encoded = text.encode()
    except UnicodeEncodeError:
        raise Refused("Ids, types and headers must be valid Unicode.") from None
    if len(encoded) > limit_bytes or b"\x00" in encoded:
        raise Refused(f"Ids, types and headers: {limit_bytes} bytes at most and no NUL.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Settlement:
    """What becomes of a delivery: `ack`, `requeue`, `defer` or `dead_letter`."""

    verdict: str
    reason: str = ""
    delay_seconds: float = 0.0


class Delivery:
    """One message in a consumer's hands, to be settled exactly once; later calls do nothing."""

    def __init__(
        self,
        *,
        queue: str,
        message: Message,
        attempts: int,
        settle: Callable[["Delivery", Settlement], None],
        ack_together: Callable[[Sequence["Delivery"]], None] | None = None,
    ) -> None:
        self.queue = queue
        self.message = message
        self.attempts = attempts  # deliveries of this message that failed before this one
        self._settle = settle
        self.ack_together = ack_together
        self._lock = threading.Lock()
        self._is_settled = False

    @property
    def is_settled(self) -> bool:
        return self._is_settled

    def ack(self) -> None:
        """Tell the broker that the work is done (or is kept elsewhere from now on)."""
        self.settle(Settlement(verdict="ack"))

    def requeue(self, reason: str) -> None:
        """Give back work that failed: delivered again, to the queue's limit, then a dead letter."""
        self.settle(Settlement(verdict="requeue", reason=reason))

    def defer(self, delay_seconds: float = 0.0) -> None:
        """Give back work that cannot be done now; does not count as a failure."""
        self.settle(Settlement(verdict="defer", delay_seconds=delay_seconds))

    def dead_letter(self, reason: str) -> None:
        """Put the message aside for a person, with the reason."""
        self.settle(Settlement(verdict="dead_letter", reason=reason))

    def settle(self, settlement: Settlement) -> None:
        """Do as `settlement` says."""
        if self.mark_settled():
            self._settle(self, settlement)

    def mark_settled(self) -> bool:
        """Count as settled from now on; return whether that is new."""
        with self._lock:
            is_new, self._is_settled = not self._is_settled, True
        return is_new


def ack_all(deliveries: Sequence[Delivery]) -> None:
    """Acknowledge deliveries of one subscription, by one call of the broker where it can."""
    together = next((one.ack_together for one in deliveries), None)
    if together is None:
        for one in deliveries:
            one.ack()
    elif mine := [one for one in deliveries if one.mark_settled()]:
        together(mine)


Handler = Callable[[Sequence[Delivery]], None]


class Subscription(Protocol):
    """A handler at work in its own thread, until it is stopped or meets a fault it cannot mend."""

    def stop(self, timeout_seconds: float = ...) -> bool:
        """Take no more, let the handler finish, return whether it did within the time."""

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Wait for the end and return whether it came; raise what ended it, if it was a fault."""


class Broker(Protocol):
    """Publishes to queues and consumes from them; safe for threads, never shared over a fork."""

    def declare(self, queues: Sequence[Queue]) -> None:
        """Make sure that `queues` are there, now and after every reconnect.

        Raises QueueMismatch, and BrokerUnavailable after START_SECONDS.
        """

    def publish(
        self, queue: str, message: Message, *, timeout_seconds: float = PUBLISH_SECONDS
    ) -> None:
        """Return once the broker has stored `message`, else raise a BrokerError."""

    def publish_many(
        self,
        messages: Sequence[tuple[str, Message]],
        *,
        timeout_seconds: float = PUBLISH_SECONDS,
    ) -> list[BrokerError | None]:
        """Publish (queue, message) pairs in order; per pair None once stored, or its error."""

    def answer(self, answers: Sequence[tuple[str, Message]]) -> None:
        """Send each (`reply_to` of its asker, message) pair, once at most; wait for nothing.

        What finds no queue, or one that was declared here, is dropped and logged: an asker has
        no say over our queues.
        """

    def consume(self, queues: Sequence[str], handler: Handler, *, prefetch: int) -> Subscription:
        """Hand batches of 1 to `prefetch` deliveries to `handler`, in a thread of its own.

        What the handler leaves unsettled, or raises on, is requeued. With `prefetch` 1 nothing more
        is fetched until the handler returns, even if it acknowledged long before.
        Raises QueueMissing, QueueMismatch and BrokerUnavailable.
        """

    def close(self, timeout_seconds: float = ...) -> bool:
        """Stop every subscription, then the connections; return whether all ended in time."""
