"""A worker that is told to end does so, wherever the signal finds it."""

import io
import logging
import signal
import sys
import threading
from collections.abc import Iterator

import pytest

from consumers.worker.command import _end_on_signals

NUMBERS = (signal.SIGTERM, signal.SIGINT)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in NUMBERS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Interrupted(io.RawIOBase):
    """A log whose first write is interrupted by SIGTERM, as a slow pipe's may be."""

    def __init__(self) -> None:
        self.written = b""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        if not self.written:
            signal.raise_signal(signal.SIGTERM)
        self.written += bytes(data)  # type: ignore[call-overload] # a buffer
        return len(bytes(data))  # type: ignore[call-overload]


@pytest.mark.parametrize("number", NUMBERS)
def test_the_first_signal_stops_and_the_second_kills(number: signal.Signals) -> None:
    stop = threading.Event()
    _end_on_signals(stop)

    signal.raise_signal(number)

    assert stop.wait(5)
    assert [signal.getsignal(one) for one in NUMBERS] == [signal.SIG_DFL] * 2


def test_a_signal_in_the_middle_of_a_line_of_the_log_stops_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = Interrupted()
    stream = io.TextIOWrapper(io.BufferedWriter(log), write_through=True)
    monkeypatch.setattr(sys, "stderr", stream)  # where a worker logs, and tells of faults in it
    handler = logging.StreamHandler(stream)
    logger = logging.getLogger("consumers.worker")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    stop = threading.Event()
    _end_on_signals(stop)
    try:
        logger.warning("half a line")
        assert stop.wait(5)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    assert b"half a line" in log.written


def test_a_signal_where_the_event_itself_is_in_use_stops_as_well() -> None:
    stop = threading.Event()
    _end_on_signals(stop)

    with stop._cond:  # as `stop.wait()` holds it for a moment each time
        signal.raise_signal(signal.SIGTERM)

    assert stop.wait(5)
