"""The broker interface over the embedded queue in PostgreSQL (`core.queue`)."""

import logging
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.db import InterfaceError, OperationalError, connection

from consumers.backoff import Backoff, failed_work_seconds
from consumers.broker import (
    PUBLISH_SECONDS,
    START_SECONDS,
    BrokerError,
    BrokerUnavailable,
    Delivery,
    Handler,
    Message,
    Queue,
    QueueMissing,
    Refused,
    Settlement,
    Unroutable,
    answer_fault,
    fault_of,
)
from consumers.subscription import STOP_SECONDS, ThreadedSubscription, stop_all
from core import queue as store

MAX_BATCH = 200
MAX_BATCH_BYTES = 4 * 1_048_576
# Stored as headers, under names that no message's own header may have.
PROPERTIES = {"x-reply-to": "reply_to", "x-correlation-id": "correlation_id", "x-sender": "sender"}
logger = logging.getLogger(__name__)


@contextmanager
def database_as_broker() -> Iterator[None]:
    """Tell a database that is away as BrokerUnavailable, and drop this thread's connection."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        connection.close()
        raise BrokerUnavailable(f"The embedded queue did not answer: {error}") from error


class EmbeddedBroker:
    """Keeps tasks in the application's own database; each thread uses its own connection."""

    def __init__(self, *, start_seconds: float = START_SECONDS) -> None:
        self._start_seconds = start_seconds
        self._subscriptions: list[ThreadedSubscription] = []
        self._declared: set[str] = set()

    def declare(self, queues: Sequence[Queue]) -> None:
        """Make sure that `queues` are there; raises BrokerUnavailable after the start's time."""
        self._declared.update(queue.name for queue in queues)
        until = time.monotonic() + self._start_seconds
        backoff = Backoff()
        while True:
            try:
                with database_as_broker():
                    return _declare(queues)
            except BrokerUnavailable:
                if time.monotonic() > until:
                    raise
                time.sleep(backoff.next_seconds())

    def publish(
        self, queue: str, message: Message, *, timeout_seconds: float = PUBLISH_SECONDS
    ) -> None:
        """Return once `message` is committed, else raise a BrokerError."""
        (error,) = self.publish_many([(queue, message)], timeout_seconds=timeout_seconds)
        if error is not None:
            raise error

    def publish_many(
        self,
        messages: Sequence[tuple[str, Message]],
        *,
        timeout_seconds: float = PUBLISH_SECONDS,
    ) -> list[BrokerError | None]:
        """Publish (queue, message) pairs in order; per pair None once committed, or its error.

        The time is looked at between batches; within one, `statement_timeout` is the limit.
        """
        until = time.monotonic() + timeout_seconds
        results: list[BrokerError | None] = []
        for batch in _batches(messages):
            results += _publish(batch, is_late=time.monotonic() > until)
        return results

    def answer(self, answers: Sequence[tuple[str, Message]]) -> None:
        """Commit each (`reply_to` of its asker, message) pair, or drop and log it."""
        faults = [answer_fault(queue, message, self._declared) for queue, message in answers]
        good = [answer for answer, fault in zip(answers, faults, strict=True) if fault is None]
        told = iter(self.publish_many(good))
        for (queue, _), fault in zip(answers, faults, strict=True):
            if error := fault or next(told):
                logger.warning("An answer to %s was dropped: %s", queue, error)

    def consume(
        self, queues: Sequence[str], handler: Handler, *, prefetch: int
    ) -> ThreadedSubscription:
        """Hand batches of 1 to `prefetch` deliveries to `handler`, in a thread of its own."""
        with database_as_broker():
            if missing := store.missing(queues):
                raise QueueMissing(f"No such queue was declared: {', '.join(missing)}")
        source = EmbeddedSource(queues, prefetch)
        subscription = ThreadedSubscription(source, handler, "+".join(queues))
        self._subscriptions.append(subscription)
        return subscription

    def close(self, timeout_seconds: float = STOP_SECONDS) -> bool:
        """Stop every subscription; return whether all ended in time."""
        return stop_all(self._subscriptions, timeout_seconds)


class EmbeddedSource:
    """Takes tasks for one subscription; a database that is away is waited for."""

    def __init__(self, queues: Sequence[str], prefetch: int) -> None:
        self._queues = queues
        self._prefetch = prefetch
        self._backoff = Backoff()

    def fetch(self, wait_seconds: float) -> list[Delivery]:
        """Return up to `prefetch` deliveries, or none when there is nothing or no database."""
        try:
            with database_as_broker():
                taken = store.take(self._queues, wait_seconds=wait_seconds, limit=self._prefetch)
        except BrokerUnavailable as error:
            logger.warning("%s", error)
            time.sleep(self._backoff.next_seconds())
            return []
        self._backoff.reset()
        return [_delivery(task) for task in taken]

    def handled(self) -> None:
        """Nothing is fetched ahead, so nothing changes."""

    def halt(self) -> None:
        """Nothing is fetched unasked."""

    def release(self, timeout_seconds: float) -> bool:
        """Close the thread's connection; nothing is held between two fetches."""
        connection.close()
        return True


def _declare(queues: Sequence[Queue]) -> None:
    for queue in queues:
        store.declare(
            queue.name,
            delivery_limit=queue.delivery_limit,
            max_length=queue.max_length,
            lease_seconds=queue.lease_seconds,
            dead_letter_queue=queue.dead_letter_queue,
        )


def _batches(messages: Sequence[tuple[str, Message]]) -> Iterator[list[tuple[str, Message]]]:
    batch: list[tuple[str, Message]] = []
    size = 0
    for queue, message in messages:
        size += len(message.body)
        if batch and (len(batch) == MAX_BATCH or size > MAX_BATCH_BYTES):
            yield batch
            batch, size = [], len(message.body)
        batch.append((queue, message))
    if batch:
        yield batch


def _publish(batch: list[tuple[str, Message]], *, is_late: bool) -> list[BrokerError | None]:
    if is_late:
        return [BrokerUnavailable("The time for publishing was over.") for _ in batch]
    results = [fault_of(message) for _, message in batch]
    tasks = [
        store.Task(
            queue=queue,
            id=message.id,
            type=message.type,
            body=message.body,
            headers=_table(message),
        )
        for (queue, message), fault in zip(batch, results, strict=True)
        if fault is None
    ]
    try:
        with database_as_broker():
            told = iter(store.publish(tasks))
    except BrokerUnavailable as error:
        return [fault or error for fault in results]
    return [
        fault or _error(queue, next(told)) for (queue, _), fault in zip(batch, results, strict=True)
    ]


def _error(queue: str, published: store.Published) -> BrokerError | None:
    match published:
        case store.Published.MISSING:
            return Unroutable(f"No such queue was declared: {queue}")
        case store.Published.FULL:
            return Refused(f"The queue is full: {queue}")
        case store.Published.QUEUED:
            return None


def _delivery(task: store.Taken) -> Delivery:
    message = stored_message(task)

    def settle(delivery: Delivery, settlement: Settlement) -> None:
        try:
            with database_as_broker():
                _settle(task, delivery, settlement)
        except BrokerUnavailable as error:
            logger.warning("%s is delivered again when its lease ends: %s", task.id, error)

    return Delivery(
        queue=task.queue,
        message=message,
        attempts=task.deliveries - 1,
        settle=settle,
        ack_together=_ack_together,
    )


def _ack_together(deliveries: Sequence[Delivery]) -> None:
    by_queue: defaultdict[str, list[str]] = defaultdict(list)
    for delivery in deliveries:
        by_queue[delivery.queue].append(delivery.message.id)
    try:
        with database_as_broker():
            for queue, ids in by_queue.items():
                store.ack_many(queue, ids)
    except BrokerUnavailable as error:
        logger.warning("Some are delivered again when their lease ends: %s", error)


def _table(message: Message) -> dict[str, str | int]:
    """Return the headers to store, with the properties that the table has no column for."""
    given = {name: getattr(message, field) for name, field in PROPERTIES.items()}
    return dict(message.headers) | {name: value for name, value in given.items() if value}


def stored_message(task: store.Taken | store.Waiting) -> Message:
    """Return a message as it was published."""
    headers = {name: value for name, value in task.headers.items() if name not in PROPERTIES}
    given = {field: str(task.headers.get(name, "")) for name, field in PROPERTIES.items()}
    return Message(id=task.id, type=task.type, body=task.body, headers=headers, **given)


def _settle(task: store.Taken, delivery: Delivery, settlement: Settlement) -> None:
    match settlement.verdict:
        case "ack":
            store.ack(task.queue, message_id=task.id)
        case "requeue":
            pause = failed_work_seconds(delivery.attempts)
            store.requeue(task.queue, task.id, receipt=task.receipt, delay_seconds=pause)
        case "defer":
            store.defer(
                task.queue,
                task.id,
                receipt=task.receipt,
                delay_seconds=settlement.delay_seconds,
            )
        case _:
            store.dead_letter(task.queue, task.id, reason=settlement.reason, receipt=task.receipt)
