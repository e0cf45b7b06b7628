"""A signal ends a process in order, wherever it finds the main thread."""

import signal

import pytest

from core.signals import stopped_by_signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_sets_the_event_and_handlers_are_put_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with stopped_by_signals() as stop:
        assert not stop.is_set()
        signal.raise_signal(number)
        assert stop.wait(5)
    assert signal.getsignal(number) is before


def test_a_signal_is_not_stuck_where_the_event_itself_is_in_use() -> None:
    with stopped_by_signals() as stop:
        with stop._cond:  # as `stop.wait()` holds it for a moment each time
            signal.raise_signal(signal.SIGTERM)
        assert stop.wait(5)
