"""Connections to RabbitMQ: the only module that knows pika. Free of Django.

A link is one connection in a thread of its own that dials, declares every queue, and dials again
until it is closed. Whoever publishes or consumes has a link of its own: a publisher that the
broker blocks must not stop acknowledgements.
"""

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeGuard

import pika
from pika.adapters.select_connection import IOLoop
from pika.exceptions import AMQPError, ChannelClosedByBroker

from consumers.backoff import Backoff
from consumers.broker import (
    DEAD_QUEUE,
    DEAD_REASON,
    BrokerError,
    BrokerUnavailable,
    Message,
    Queue,
    QueueMismatch,
    QueueMissing,
)

HEARTBEAT_SECONDS = 15
BLOCKED_SECONDS = 30
SOCKET_SECONDS = 5
STACK_SECONDS = 10
ANSWER_SECONDS = 15  # to one declaration, say, while a connection is made ready
CLOSE_SECONDS = 3
DROP_SECONDS = 0.5
UNLIMITED = 1_000_000_000  # deliveries; 4.x counts to 20 where nothing is said
ATTEMPTS = "x-attempts"  # our header: failures counted before the message was deferred
SENDER = "x-sender"  # our header on a copy: who the broker had proven to have sent the original
MISMATCH, MISSING = 406, 404  # AMQP reply codes
logging.getLogger("pika").setLevel(logging.CRITICAL)  # seven lines for one refused connection
logger = logging.getLogger(__name__)


def parameters_of(url: str) -> list[Any]:
    """Return the connection parameters of every host in `url`.

    Hosts are parted by commas: whole URLs, or hosts that share login and virtual host, as in
    `amqp://user:secret@one:5672,two:5672/vhost`. Raises BrokerError for what is no such URL.
    """
    try:
        return [_parameters(one) for one in _urls(url)]
    except (TypeError, ValueError):  # pika's; their texts may hold the password
        raise BrokerError(
            "AMQP_URL cannot be read: amqp://USER:PASSWORD@HOST:PORT/VHOST, hosts parted by commas."
        ) from None


def _urls(url: str) -> list[str]:
    parts = url.split(",")
    if any("://" in part for part in parts[1:]):
        return parts
    scheme, _, rest = url.partition("://")
    login, at, rest = rest.rpartition("@")
    hosts, slash, path = rest.partition("/")
    return [f"{scheme}://{login}{at}{host}{slash}{path}" for host in hosts.split(",")]


def _parameters(url: str) -> Any:
    parameters = pika.URLParameters(url.strip())
    parameters.heartbeat = HEARTBEAT_SECONDS
    parameters.blocked_connection_timeout = BLOCKED_SECONDS
    parameters.socket_timeout = SOCKET_SECONDS
    parameters.stack_timeout = STACK_SECONDS
    parameters.connection_attempts = 1
    return parameters


def delete_queues(url: str, queues: Sequence[Queue], prefix: str) -> None:
    """Delete queues that were made under a prefix of one's own, and what is in them.

    For tests and demos. Raises pika's errors when the broker does not answer.
    """
    with pika.BlockingConnection(parameters_of(url)) as connection:
        for queue in reversed(queues):
            connection.channel().queue_delete(prefix + queue.name)


@contextmanager
def dialled(url: str, *, timeout_seconds: float = SOCKET_SECONDS) -> Iterator[Any]:
    """Yield a connection of one's own for a short errand, by the first host that answers in time.

    Raises BrokerUnavailable, also for what goes wrong on the connection meanwhile.
    """
    hosts = parameters_of(url)
    for one in hosts:
        one.socket_timeout = one.stack_timeout = timeout_seconds
    try:
        with pika.BlockingConnection(random.sample(hosts, len(hosts))) as connection:
            yield connection
    except (AMQPError, OSError) as error:
        raise BrokerUnavailable(f"RabbitMQ did not answer: {error!r}") from error


def is_missing(error: Exception) -> bool:
    """Return whether the broker closed a channel because there is no such queue."""
    return isinstance(error, ChannelClosedByBroker) and error.reply_code == MISSING


def arguments_of(queue: Queue, prefix: str) -> dict[str, str | int]:
    """Return the arguments with which RabbitMQ declares `queue`, the same on 3.10 and 4.x."""
    arguments: dict[str, str | int] = {
        "x-queue-type": "quorum",
        "x-delivery-limit": UNLIMITED if queue.delivery_limit is None else queue.delivery_limit,
        "x-max-length": queue.max_length,
        "x-overflow": "reject-publish",
    }
    if queue.dead_letter_queue is not None:
        arguments |= {
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": prefix + queue.dead_letter_queue,
            "x-dead-letter-strategy": "at-least-once",
        }
    return arguments


def properties_of(message: Message, attempts: int, login: str = "") -> Any:
    """Return the AMQP properties of `message`: persistent, with failures counted so far.

    The broker takes no user-id but that of our own `login`, which vouches for the sender named.
    """
    ours: dict[str, str | int] = {ATTEMPTS: attempts, SENDER: message.sender}
    headers = dict(message.headers) | {name: value for name, value in ours.items() if value}
    return pika.BasicProperties(
        message_id=message.id or None,
        type=message.type or None,
        headers=headers or None,
        reply_to=message.reply_to or None,
        correlation_id=message.correlation_id or None,
        user_id=login if message.sender else None,
        delivery_mode=pika.DeliveryMode.Persistent.value,
        timestamp=int(time.time()),
    )


def message_of(
    properties: Any, body: bytes, prefix: str, logins: Container[str] = frozenset()
) -> Message:
    """Return what was delivered; of a stranger's message only text and integers are kept.

    `logins` are our own, whose word is taken for who sent the original of a copy.
    """
    return Message(
        id=_text(properties.message_id),
        type=_text(properties.type),
        body=body,
        headers=_headers(properties.headers or {}, prefix),
        reply_to=_text(properties.reply_to),
        correlation_id=_text(properties.correlation_id),
        sender=_sender(properties, logins),
    )


def dead_at(properties: Any) -> datetime | None:
    """Return since when a dead letter lies in its queue, if that is known."""
    deaths = (properties.headers or {}).get("x-death")
    if isinstance(deaths, list) and deaths and isinstance(deaths[0], dict):  # the broker's doing
        at = deaths[0].get("time")
        return at.replace(tzinfo=UTC) if isinstance(at, datetime) else None
    sent = properties.timestamp
    return datetime.fromtimestamp(sent, UTC) if _is_integer(sent) and 0 < sent < 2**33 else None


def login_of(parameters: Any) -> str:
    """Return the user's name in a connection's parameters."""
    return _text(parameters.credentials.username)


def attempts_of(properties: Any) -> int:
    """Return how often this message failed before, by the broker's count and ours."""
    table = properties.headers or {}
    counts = (table.get(ATTEMPTS), table.get("x-delivery-count"))
    return sum(int(count) for count in counts if _is_integer(count) and 0 < count < UNLIMITED)


def is_ack(frame: Any) -> bool:
    """Return whether a confirm says that the broker has stored the message."""
    return isinstance(frame.method, pika.spec.Basic.Ack)


def watch_cancels(channel: Any, on_cancelled: Callable[[str], None]) -> None:
    """Tell `on_cancelled` the tag of every consumer that the broker has cancelled as asked."""
    channel.add_callback(
        lambda frame: on_cancelled(frame.method.consumer_tag),
        [pika.spec.Basic.CancelOk],
        one_shot=False,
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _sender(properties: Any, logins: Container[str]) -> str:
    user = _text(properties.user_id)  # which the broker has checked
    original = _text((properties.headers or {}).get(SENDER))
    return original if original and user in logins else user


def _is_integer(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _headers(table: dict[Any, Any], prefix: str) -> dict[str, str | int]:
    kept: dict[str, str | int] = {
        name: value if isinstance(value, str) else int(value)  # pika has an `int` of its own
        for name, value in table.items()
        if _text(name) and not name.startswith("x-")
        if isinstance(value, str) or _is_integer(value)
    }
    if "x-first-death-reason" in table and DEAD_REASON not in kept:  # the broker's own doing
        kept[DEAD_REASON] = _text(table["x-first-death-reason"])
        kept[DEAD_QUEUE] = _text(table.get("x-first-death-queue")).removeprefix(prefix)
    return kept


class Topology:
    """The queues that every link declares, and the prefix of their names in RabbitMQ."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self._queues: dict[str, Queue] = {}

    def add(self, queues: Sequence[Queue]) -> bool:
        """Add `queues`, dead-letter queues before those they serve; return whether any is new."""
        known = self._queues
        self._queues = known | {queue.name: queue for queue in queues}
        return self._queues != known

    def queues(self) -> list[Queue]:
        """Return all queues in the order in which to declare them."""
        return list(self._queues.values())

    def get(self, name: str) -> Queue:
        """Return the settings of `name`; a queue that was not declared has the default ones."""
        return self._queues.get(name) or Queue(name=name)


class Link:
    """One connection in its own thread, mended until closed or until a fault no redial mends.

    `on_channel` runs in the link's thread with each new channel, after every queue was declared,
    and calls `mark_ready` when work can begin; `on_lost` runs there when that channel is gone.
    """

    def __init__(
        self,
        *,
        name: str,
        hosts: Sequence[Any],
        topology: Topology,
        on_channel: Callable[[Any], None],
        on_lost: Callable[[BrokerError], None],
    ) -> None:
        self._name = name
        self._hosts = random.sample(list(hosts), len(hosts))
        self._topology = topology
        self._use_channel = on_channel
        self._tell_lost = on_lost
        self._state = threading.Condition()
        self._is_ready = False
        self._is_closing = threading.Event()
        self._fatal: BrokerError | None = None
        self._cause = "no connection yet"
        self._reason = ""  # for which we gave the connection up
        self._loop: Any = None
        self._connection: Any = None
        self._answer_timer: Any = None
        self._thread = threading.Thread(target=self._run, name=f"amqp-{name}", daemon=True)

    def start(self) -> None:
        """Begin to dial."""
        self._thread.start()

    def ended(self) -> BrokerError | None:
        """Return why nothing will ever come of this link again, or None while it is mended."""
        if self._fatal is None and self._is_closing.is_set():
            return BrokerUnavailable("The connection was closed.")
        return self._fatal

    def wait_ready(self, timeout_seconds: float) -> None:
        """Return once queues are declared; raise what is fatal, or BrokerUnavailable in time."""
        with self._state:
            self._state.wait_for(lambda: self._is_ready or self._fatal, timeout_seconds)
            if self._fatal is not None:
                raise self._fatal
            if not self._is_ready:
                raise self.unavailable(f"RabbitMQ was not reachable within {timeout_seconds:g} s")

    def unavailable(self, what: str) -> BrokerError:
        """Return an error that says `what` and why there is no connection."""
        return self._fatal or BrokerUnavailable(f"{what}: {self._cause}")

    def call(self, action: Callable[[], None]) -> bool:
        """Run `action` in the link's thread soon; return False if there is no connection."""
        with self._state:
            if self._loop is not None:
                self._loop.add_callback_threadsafe(action)
            return self._loop is not None

    def call_later(self, seconds: float, action: Callable[[], None]) -> None:
        """Run `action` after `seconds`; from the link's thread only."""
        self._loop.call_later(seconds, action)

    def mark_ready(self) -> None:
        """Say that work can begin on this connection."""
        self._expect_no_answer()
        with self._state:
            self._is_ready = True
            self._cause = "the broker is slow"
            self._state.notify_all()

    def redial(self) -> None:
        """Drop the connection and declare the whole topology on the next."""
        with self._state:
            self._is_ready = False
        self.call(self._close_connection)

    def close(self, timeout_seconds: float = CLOSE_SECONDS) -> bool:
        """Close the connection; return whether its thread has ended in time."""
        self._is_closing.set()
        self.call(self._close_connection)
        if self._thread.ident is not None:
            self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        backoff = Backoff()
        turn = 0
        while self.ended() is None:
            if self._attempt(self._hosts[turn % len(self._hosts)]):
                backoff.reset()
            turn += 1
            if turn % len(self._hosts) == 0 and self._fatal is None:
                self._is_closing.wait(backoff.next_seconds())
        with self._state:
            self._state.notify_all()

    def _attempt(self, parameters: Any) -> bool:
        """Live through one connection; return whether it was ever ready.

        What breaks it (no more sockets, say) is tried again like a connection that was lost: a
        thread that ended in silence would leave its consumer waiting for ever.
        """
        try:
            return self._session(parameters)
        except Exception as error:
            logger.exception("The link %s broke.", self._name)
            self._cause = repr(error)
            return False

    def _session(self, parameters: Any) -> bool:
        loop = IOLoop()
        self._reason, self._answer_timer = "", None
        parameters.client_properties = {"connection_name": f"token-ledger {self._name}"}
        self._connection = pika.SelectConnection(
            parameters,
            on_open_callback=self._on_open,
            on_open_error_callback=self._on_closed,
            on_close_callback=self._on_closed,
            custom_ioloop=loop,
        )
        with self._state:
            self._loop = loop
        if self._is_closing.is_set():
            self._close_connection()
        try:
            loop.start()
        except Exception as error:
            logger.exception("The link %s broke.", self._name)
            self._cause = repr(error)
        return self._hang_up(loop)

    def _hang_up(self, loop: Any) -> bool:
        self._drop(loop)
        with self._state:
            was_ready, self._is_ready, self._loop = self._is_ready, False, None
        loop.close()
        self._tell_lost(self.unavailable("The connection was lost"))
        return was_ready

    def _drop(self, loop: Any) -> None:
        """Close the socket of a connection that did not end by itself."""
        transport = self._connection._transport  # noqa: SLF001  # pika has no other way
        if not self._connection.is_closed and transport is not None:
            with suppress(Exception):
                transport.abort()
                loop.call_later(DROP_SECONDS, loop.stop)
                loop.start()

    def _on_open(self, connection: Any) -> None:
        self._cause = "connected, but the broker does not answer"
        connection.add_on_connection_blocked_callback(self._on_blocked)
        self._expect_answer()
        connection.channel(on_open_callback=self._on_channel_open)

    def _on_blocked(self, _connection: Any, frame: Any) -> None:
        logger.warning("The link %s is blocked by the broker: %s", self._name, frame.method.reason)

    def _expect_answer(self) -> None:
        """Give the connection up unless this is called anew, or it is ready, in time."""
        self._expect_no_answer()
        late = BrokerUnavailable(f"The broker did not answer within {ANSWER_SECONDS} s.")
        self._answer_timer = self._loop.call_later(ANSWER_SECONDS, partial(self._give_up, late))

    def _expect_no_answer(self) -> None:
        if self._answer_timer is not None:
            self._loop.remove_timeout(self._answer_timer)
            self._answer_timer = None

    def _on_channel_open(self, channel: Any) -> None:
        channel.add_on_close_callback(self._on_channel_closed)
        channel.add_on_cancel_callback(
            lambda _: self._give_up(BrokerUnavailable("The broker cancelled a consumer."))
        )
        self._declare_next(channel, deque(self._topology.queues()))

    def _declare_next(self, channel: Any, left: deque[Queue], _frame: object = None) -> None:
        self._expect_answer()
        if not left:
            self._use_channel(channel)
            return
        queue = left.popleft()
        channel.queue_declare(
            queue=self._topology.prefix + queue.name,
            durable=True,
            arguments=arguments_of(queue, self._topology.prefix),
            callback=partial(self._declare_next, channel, left),
        )

    def _on_channel_closed(self, _channel: Any, error: Exception) -> None:
        self._give_up(_error_of(error))

    def _give_up(self, error: BrokerError) -> None:
        """Give this connection up and, unless the fault is a passing one, the link."""
        if not isinstance(error, BrokerUnavailable):
            self._fatal = error
        self._cause = self._reason = str(error)
        self._close_connection()

    def _on_closed(self, connection: Any, error: BaseException) -> None:
        if self.ended() is None:
            where = f"{connection.params.host}:{connection.params.port}"
            self._cause = f"{where}: {error!r} {self._reason}".rstrip()
            logger.warning("The link %s has no connection: %s", self._name, self._cause)
        self._loop.stop()

    def _close_connection(self) -> None:
        self._loop.call_later(CLOSE_SECONDS, self._loop.stop)  # if the broker does not answer
        if not self._connection.is_closing and not self._connection.is_closed:
            self._connection.close()


def _error_of(error: Exception) -> BrokerError:
    """Return the fault behind a closed channel: ours to report, or a passing one."""
    if isinstance(error, ChannelClosedByBroker):
        if error.reply_code == MISMATCH and "inequivalent arg" in error.reply_text:
            return QueueMismatch(
                f"{error.reply_text}. A queue of that name exists with other settings: let its "
                "consumers empty it, delete it (rabbitmqctl delete_queue NAME) and start again, "
                "or set QUEUE_PREFIX."
            )
        if error.reply_code == MISSING:
            return QueueMissing(error.reply_text)
    return BrokerUnavailable(repr(error))
