"""A process of consumers: the relay, results and commands, until it is told to stop."""

import threading
from collections.abc import Container, Sequence
from functools import partial

from django.conf import settings

from consumers import commands, results
from consumers.broker import Broker, Handler, Subscription
from consumers.commands import take_commands
from consumers.relay import Relay
from consumers.results import take_results
from consumers.topology import COMMANDS, RESULTS, topology

PARTS = ("relay", "results", "commands")
WATCH_SECONDS = 0.5
STOP_SECONDS = 10.0


class RelayEnded(Exception):
    """The relay ended by itself: its own log line says why."""


def serve(broker: Broker, stop: threading.Event, parts: Container[str] = PARTS) -> None:
    """Run `parts` until `stop` is set, then end within STOP_SECONDS; raise what ended it before.

    Raises BrokerUnavailable when the broker is away at start, QueueMismatch, QueueMissing.
    """
    try:
        broker.declare(topology(settings.MODEL_FAMILIES))
        subscriptions = [
            broker.consume([queue], handler, prefetch=prefetch)
            for part, (queue, handler, prefetch) in _handlers(broker).items()
            if part in parts
        ]
        runner = threading.Thread(target=Relay(broker).run, args=[stop], name="relay", daemon=True)
        if "relay" in parts:
            runner.start()
        while not stop.wait(WATCH_SECONDS):
            _watch(subscriptions, runner if "relay" in parts else None)
        if "relay" in parts:
            runner.join(STOP_SECONDS)
    finally:
        stop.set()
        broker.close(STOP_SECONDS)


def _handlers(broker: Broker) -> dict[str, tuple[str, Handler, int]]:
    """Return the queue, the handler and the prefetch of each part that takes messages."""
    carry_out = partial(take_commands, answer=broker.answer)
    return {
        "results": (RESULTS, take_results, results.PREFETCH),
        "commands": (COMMANDS, carry_out, commands.PREFETCH),
    }


def _watch(subscriptions: Sequence[Subscription], runner: threading.Thread | None) -> None:
    for subscription in subscriptions:
        subscription.wait(0)
    if runner and not runner.is_alive():
        raise RelayEnded(RelayEnded.__doc__)
