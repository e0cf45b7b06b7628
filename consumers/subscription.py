"""The half of consuming that every broker shares: a thread that hands deliveries to a handler."""

import logging
import threading
import time
from collections.abc import Sequence
from typing import Protocol

from consumers.broker import BrokerError, Delivery, Handler

STOP_SECONDS = 10.0
FETCH_SECONDS = 0.5  # how long a fetch may wait, and so how late a stop is noticed
logger = logging.getLogger(__name__)


class ConsumingEnded(BrokerError):
    """Consuming ended by itself: nobody had stopped it, and no fault was told."""


class Source(Protocol):
    """Where deliveries come from."""

    def fetch(self, wait_seconds: float) -> list[Delivery]:
        """Return what there is to do, waiting up to `wait_seconds` for it; raises what is fatal."""

    def handled(self) -> None:
        """Learn that the handler has returned and more may be fetched."""

    def halt(self) -> None:
        """Fetch no more from now on; called from any thread."""

    def release(self, timeout_seconds: float) -> bool:
        """Give back what is left and let go; return whether it was done in time."""


class ThreadedSubscription:
    """Runs `handler` over what `source` yields until `stop`, or until the source raises."""

    def __init__(self, source: Source, handler: Handler, name: str) -> None:
        self._source = source
        self._handler = handler
        self._stopping = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name=f"consume-{name}", daemon=True)
        self._thread.start()

    def stop(self, timeout_seconds: float = STOP_SECONDS) -> bool:
        """Take no more, let the handler finish, return whether it did within the time."""
        self._stopping.set()
        self._source.halt()
        return self._join(timeout_seconds)

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Wait for the end and return whether it came; raise what ended it, if it was a fault.

        An end that nobody asked for is one, however quiet: raises ConsumingEnded.
        """
        has_ended = self._join(timeout_seconds)
        if self._error is not None:
            raise self._error
        if has_ended and not self._stopping.is_set():
            raise ConsumingEnded
        return has_ended

    def _join(self, timeout_seconds: float | None) -> bool:
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                if deliveries := self._source.fetch(FETCH_SECONDS):
                    self._hand_over(deliveries)
        except BrokerError as error:
            logger.error("Consuming ends: %s", error)
            self._error = error
        except Exception as error:
            logger.exception("Consuming ends.")
            self._error = error
        finally:
            self._source.release(STOP_SECONDS)

    def _hand_over(self, deliveries: Sequence[Delivery]) -> None:
        reason = "left unsettled"
        try:
            self._handler(deliveries)
        except Exception as error:
            reason = f"{type(error).__name__} raised"
            logger.exception("The handler of %s failed.", deliveries[0].queue)
        for delivery in deliveries:
            delivery.requeue(reason)  # does nothing to what the handler settled
        self._source.handled()


def stop_all(subscriptions: Sequence[ThreadedSubscription], timeout_seconds: float) -> bool:
    """Stop `subscriptions` side by side; return whether all ended in time."""
    until = time.monotonic() + timeout_seconds
    for subscription in subscriptions:
        subscription.stop(0.0)
    have_ended = [one.stop(max(0.0, until - time.monotonic())) for one in subscriptions]
    return all(have_ended)
