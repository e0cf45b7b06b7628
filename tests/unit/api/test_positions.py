"""A read that names a position waits until it is shown, for two seconds at most."""

import threading
import time
from collections.abc import Iterable, Mapping

import pytest
from django.http import HttpResponse

from api import positions
from api.errors import Problem
from api.positions import add_positions, wait_until_shown, wanted_positions
from ledger.orders import Position
from tests.unit.api.requests import request


def test_a_write_tells_its_positions_in_order_of_shards() -> None:
    response = HttpResponse()

    add_positions(response, [Position(7, 2), Position(7, 12), Position(3, 4), Position(7, 3)])

    assert response["Ledger-Position"] == "3-4,7-12"


def test_a_write_that_moved_nothing_tells_no_position() -> None:
    response = HttpResponse()

    add_positions(response, [])

    assert "Ledger-Position" not in response


def test_the_highest_position_of_a_shard_counts() -> None:
    assert wanted_positions(request(Ledger_Position="7-12, 3-4,7-5")) == {7: 12, 3: 4}
    assert wanted_positions(request()) == {}


@pytest.mark.parametrize(
    "header", ["", "7", "7-", "-7", "7-1,", "a-1", "7-1;3-4", "٣-1", "7-" + "1" * 19, "1-1," * 300]
)
def test_a_malformed_position_is_refused(header: str) -> None:
    with pytest.raises(Problem) as refused:
        wanted_positions(request(Ledger_Position=header))
    assert (refused.value.status, refused.value.code) == (400, "ledger_position_invalid")


class Projection:
    """Shows one more position each time somebody looks."""

    def __init__(self, shown: int = 0) -> None:
        self.shown = shown
        self.looks = 0

    def __call__(self, shards: Iterable[int]) -> Mapping[int, int]:
        self.looks += 1
        self.shown += 1
        return dict.fromkeys(shards, self.shown)


def test_a_read_waits_until_the_position_is_shown() -> None:
    projection = Projection()

    wait_until_shown(request(Ledger_Position="7-3"), projection)

    assert projection.looks == 3


def test_a_read_without_a_position_does_not_look() -> None:
    projection = Projection()

    wait_until_shown(request(), projection)

    assert projection.looks == 0


def test_a_read_gives_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(positions, "WAIT_SECONDS", 0.05)

    with pytest.raises(Problem) as refused:
        wait_until_shown(request(Ledger_Position="7-3,8-1"), lambda _: {8: 1})

    assert (refused.value.status, refused.value.code) == (503, "projection_behind")
    assert refused.value.retry_after_seconds == 1


def test_where_too_many_wait_the_next_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(positions, "_seats", threading.BoundedSemaphore(1))
    positions._seats.acquire()
    began = time.monotonic()

    with pytest.raises(Problem) as refused:
        wait_until_shown(request(Ledger_Position="7-3"), lambda _: {})

    assert (refused.value.status, refused.value.code) == (503, "projection_behind")
    assert time.monotonic() - began < positions.WAIT_SECONDS / 2
    wait_until_shown(request(Ledger_Position="7-3"), lambda _: {7: 3})  # shown: no seat is needed
    positions._seats.release()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(positions, "WAIT_SECONDS", 0.0)
        for _ in range(2):  # the seat is given back
            with pytest.raises(Problem):
                wait_until_shown(request(Ledger_Position="7-3"), lambda _: {})
    assert positions._seats.acquire(blocking=False)
