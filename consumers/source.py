"""The deliveries of one subscription in RabbitMQ, and the settling of each."""

import queue as queues_of_python
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from consumers.amqp import (
    UNLIMITED,
    Link,
    Topology,
    attempts_of,
    login_of,
    message_of,
    watch_cancels,
)
from consumers.backoff import failed_work_seconds
from consumers.broker import (
    DEAD_QUEUE,
    DEAD_REASON,
    MAX_BODY_BYTES,
    BrokerError,
    Delivery,
    Queue,
    Settlement,
)
from consumers.publisher import Outgoing, Publisher


class AmqpSource:
    """Feeds one subscription from a link of its own; every channel call is in the link's thread.

    RabbitMQ before 4.3 counts each return as a failure, so a deferred message goes to its queue's
    end as a copy that carries the count, and the original is acknowledged.
    """

    def __init__(
        self,
        *,
        hosts: Sequence[Any],
        topology: Topology,
        publisher: Publisher,
        queues: Sequence[str],
        prefetch: int,
    ) -> None:
        self._topology = topology
        self._logins = frozenset(map(login_of, hosts))
        self._publisher = publisher
        self._queues = list(queues)
        self._prefetch = prefetch
        self._inbox: queues_of_python.SimpleQueue[tuple[Any, Delivery]]
        self._inbox = queues_of_python.SimpleQueue()
        self._channel: Any = None
        self._tags: dict[str, str] = {}  # of the consumers that are subscribed
        self._taken: dict[str, Delivery] = {}  # by tag, one at a time: until that is cancelled
        self._is_busy = False
        self._is_halted = False
        self._held: list[Callable[[], None]] = []
        self._settling: set[tuple[int, int]] = set()
        self._settled = threading.Condition()  # guards _settling
        self.link = Link(
            name="consume " + "+".join(queues),
            hosts=hosts,
            topology=topology,
            on_channel=self._on_channel,
            on_lost=self._on_lost,
        )

    def fetch(self, wait_seconds: float) -> list[Delivery]:
        """Return what has arrived, up to `prefetch`; raise what ended the link."""
        if error := self.link.ended():
            raise error
        arrived: list[Delivery] = []
        with suppress(queues_of_python.Empty):
            while len(arrived) < self._prefetch:
                channel, delivery = self._inbox.get(timeout=0 if arrived else wait_seconds)
                if channel is self._channel:
                    arrived.append(delivery)
                elif not arrived:  # lost with its connection: the broker delivers it again
                    self.handled()
        return arrived

    def handled(self) -> None:
        """Subscribe again where one at a time is wanted."""
        self._is_busy = False
        self.link.call(self._resume)

    def halt(self) -> None:
        """Cancel the consumers."""
        self.link.call(self._halt)

    def release(self, timeout_seconds: float) -> bool:
        """Let settlements under way end, then close; the broker takes back what is left."""
        until = time.monotonic() + timeout_seconds
        self.link.call(self._halt)
        with self._settled:
            self._settled.wait_for(lambda: not self._settling, timeout_seconds)
        return self.link.close(max(0.1, until - time.monotonic()))

    def _on_channel(self, channel: Any) -> None:
        self._channel, self._tags, self._taken = channel, {}, {}
        watch_cancels(channel, self._on_cancelled)
        channel.basic_qos(prefetch_count=self._prefetch, callback=lambda _: self._begin())

    def _begin(self) -> None:
        if self._is_busy:  # over a reconnect; subscribes when the handler returns
            self.link.mark_ready()
        else:
            self._subscribe()

    def _on_lost(self, _error: BrokerError) -> None:
        self._channel = None
        self._held.clear()
        with self._settled:
            self._settling.clear()
            self._settled.notify_all()

    def _subscribe(self) -> None:
        for name in [name for name in self._queues if name not in self._tags]:
            if not self._is_halted:
                self._tags[name] = self._channel.basic_consume(
                    queue=self._topology.prefix + name,
                    on_message_callback=partial(self._on_message, name),
                    callback=self._on_subscribed if name == self._queues[-1] else None,
                )

    def _on_subscribed(self, _frame: object) -> None:
        self.link.mark_ready()

    def _resume(self) -> None:
        if self._channel is not None and self._channel.is_open:
            self._subscribe()

    def _halt(self) -> None:
        self._is_halted = True
        for name in list(self._tags):
            self._cancel(name)
        held, self._held = self._held, []
        for action in held:
            action()

    def _cancel(self, name: str) -> None:
        tag = self._tags.pop(name)
        if self._channel is not None and self._channel.is_open:
            self._channel.basic_cancel(tag, callback=_ignore)

    def _on_message(
        self, name: str, channel: Any, method: Any, properties: Any, body: bytes
    ) -> None:
        if len(body) > MAX_BODY_BYTES:
            channel.basic_reject(method.delivery_tag, requeue=False)
            return
        delivery = Delivery(
            queue=name,
            message=message_of(properties, body, self._topology.prefix, self._logins),
            attempts=attempts_of(properties),
            settle=partial(self._settle, channel, method.delivery_tag),
        )
        if self._prefetch == 1:
            # One at a time: nothing else is on its way from this queue while this delivery is
            # unacknowledged, so it is handed over after the cancel. Else pika would reject what
            # comes in between, and a message that nobody saw would count as failed.
            self._taken[method.consumer_tag] = delivery
            self._cancel(name)
        else:
            self._inbox.put((channel, delivery))

    def _on_cancelled(self, tag: str) -> None:
        delivery = self._taken.pop(tag, None)
        if delivery is None:
            return
        if self._is_busy:
            delivery.defer()
        else:
            self._is_busy = True
            self._inbox.put((self._channel, delivery))

    def _settle(self, channel: Any, tag: int, delivery: Delivery, settlement: Settlement) -> None:
        settling = (id(channel), tag)
        with self._settled:
            self._settling.add(settling)
        action = partial(self._settle_here, channel, tag, delivery, settlement)
        if not self.link.call(action):
            self._forget(settling)

    def _settle_here(
        self, channel: Any, tag: int, delivery: Delivery, settlement: Settlement
    ) -> None:
        queue = self._topology.get(delivery.queue)
        match settlement.verdict:
            case _ if channel is not self._channel:  # the broker delivers it again
                self._forget((id(channel), tag))
            case "ack":
                self._finish(channel, tag)
            case "requeue" if not _is_exhausted(delivery, queue):
                pause = failed_work_seconds(delivery.attempts)
                self._hold(pause, partial(self._finish, channel, tag, reject=True, requeue=True))
            case "defer":
                again = Outgoing(
                    queue=delivery.queue,
                    message=delivery.message,
                    attempts=delivery.attempts,
                    on_done=partial(self._moved, channel, tag, requeue=True),
                )
                move = partial(self._publisher.submit, [again])
                self._hold(settlement.delay_seconds, move)
            case _ if queue.dead_letter_queue is None:
                self._finish(channel, tag, reject=True)
            case _:
                moved = partial(self._moved, channel, tag, requeue=False)
                self._publisher.submit([_dead_letter(delivery, queue, settlement, moved)])

    def _hold(self, seconds: float, action: Callable[[], None]) -> None:
        """Run `action` after `seconds`, or as soon as the subscription is stopped."""
        if self._is_halted or seconds <= 0:
            action()
        else:
            self._held.append(action)
            self.link.call_later(seconds, partial(self._unhold, action))

    def _unhold(self, action: Callable[[], None]) -> None:
        if action in self._held:
            self._held.remove(action)
            action()

    def _moved(self, channel: Any, tag: int, error: BrokerError | None, *, requeue: bool) -> None:
        """Drop the original after its copy was stored, else leave it to the broker's own means."""
        is_stored = error is None
        self.link.call(partial(self._finish, channel, tag, reject=not is_stored, requeue=requeue))

    def _finish(
        self, channel: Any, tag: int, *, reject: bool = False, requeue: bool = False
    ) -> None:
        if channel is self._channel and channel.is_open:  # else the broker has taken it back
            if reject:
                channel.basic_reject(tag, requeue=requeue)
            else:
                channel.basic_ack(tag)
        self._forget((id(channel), tag))

    def _forget(self, settling: tuple[int, int]) -> None:
        with self._settled:
            self._settling.discard(settling)
            self._settled.notify_all()


def _ignore(_frame: object) -> None:
    """Make pika wait for the broker's answer, which `_on_cancelled` hears."""


def _is_exhausted(delivery: Delivery, queue: Queue) -> bool:
    limit = UNLIMITED if queue.delivery_limit is None else queue.delivery_limit
    return delivery.attempts >= limit


def _dead_letter(
    delivery: Delivery,
    queue: Queue,
    settlement: Settlement,
    on_done: Callable[[BrokerError | None], None],
) -> Outgoing:
    is_requeue = settlement.verdict == "requeue"
    reason = "delivery_limit" if is_requeue else settlement.reason
    dead = {DEAD_REASON: reason, DEAD_QUEUE: queue.name}
    message = replace(delivery.message, headers={**delivery.message.headers, **dead})
    return Outgoing(queue=queue.dead_letter_queue or "", message=message, on_done=on_done)
