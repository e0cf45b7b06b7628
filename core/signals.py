"""Ending a process in order when a signal says so."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue


@contextmanager
def stopped_by_signals() -> Iterator[threading.Event]:
    """Yield an event that SIGTERM and SIGINT set; only the main thread may ask.

    A thread sets it: a handler runs wherever it interrupts the main thread, and would wait for ever
    where that holds the event's own lock. The queue's `put` is made for being called from there.
    """
    stop = threading.Event()
    caught: SimpleQueue[int] = SimpleQueue()

    def pass_on() -> None:
        caught.get()
        stop.set()

    passing = threading.Thread(target=pass_on, name="signals", daemon=True)
    passing.start()
    known = {
        number: signal.signal(number, lambda given, _: caught.put(given))
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield stop
    finally:
        for number, handler in known.items():
            signal.signal(number, handler)
        caught.put(0)
        passing.join()
