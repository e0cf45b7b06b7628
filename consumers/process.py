"""A process of consumers: the relay, the results, or both, until it is told to stop."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from consumers.broker import Broker, Subscription
from consumers.relay import Relay
from consumers.results import PREFETCH, take_results
from consumers.topology import RESULTS, topology

WATCH_SECONDS = 0.5
STOP_SECONDS = 10.0


class RelayEnded(Exception):
    """The relay ended by itself: its own log line says why."""


@contextmanager
def stopped_by_signals() -> Iterator[threading.Event]:
    """Yield an event that SIGTERM and SIGINT set; only the main thread may ask."""
    stop = threading.Event()
    known = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield stop
    finally:
        for number, handler in known.items():
            signal.signal(number, handler)


def serve(broker: Broker, stop: threading.Event, *, relay: bool, results: bool) -> None:
    """Run until `stop` is set, then end within STOP_SECONDS; raise what ended it before.

    Raises BrokerUnavailable when the broker is away at start, QueueMismatch, QueueMissing.
    """
    try:
        broker.declare(topology(settings.MODEL_FAMILIES))
        subscription = (
            broker.consume([RESULTS], take_results, prefetch=PREFETCH) if results else None
        )
        runner = threading.Thread(target=Relay(broker).run, args=[stop], name="relay", daemon=True)
        if relay:
            runner.start()
        while not stop.wait(WATCH_SECONDS):
            _watch(subscription, runner if relay else None)
        if relay:
            runner.join(STOP_SECONDS)
    finally:
        stop.set()
        broker.close(STOP_SECONDS)


def _watch(subscription: Subscription | None, runner: threading.Thread | None) -> None:
    if subscription:
        subscription.wait(0)
    if runner and not runner.is_alive():
        raise RelayEnded(RelayEnded.__doc__)
