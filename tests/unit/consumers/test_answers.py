"""Answers that wait for the broker are bounded."""

from typing import Any

import pytest

from consumers import answers
from consumers.amqp import Topology
from consumers.answers import Answers
from consumers.broker import BrokerUnavailable, Message


class Silent:
    """A publisher whose broker says nothing."""

    def __init__(self) -> None:
        self.taken: list[Any] = []

    def submit(self, messages: list[Any]) -> None:
        self.taken += messages


def test_what_waits_for_a_silent_broker_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MOST_WAITING", 2)
    silent: Any = Silent()
    sending = Answers(silent, Topology(""))
    some = [("q", Message(id=str(number), type="t", body=b"")) for number in range(4)]
    sending.send(some)
    assert [one.message.id for one in silent.taken] == ["0", "1"]
    silent.taken[0].on_done(None)
    silent.taken[1].on_done(BrokerUnavailable())
    sending.send(some[2:])
    assert [one.message.id for one in silent.taken[2:]] == ["2", "3"]
