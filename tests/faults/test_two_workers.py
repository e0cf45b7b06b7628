"""Two workers are given the same task, a thousand times: one result counts, one capture is made."""

import threading
from collections import Counter
from collections.abc import Callable
from uuid import UUID

import pytest
from django.db import connection

from audit import snapshot, verify
from core.ids import new_id
from ledger.book import read
from ledger.callbacks import Answer
from ledger.domain.generation import RequestGeneration
from projections.follow import catch_up
from projections.open_accounts import open_balance
from tests.jobs import (
    Worker,
    announced,
    balance,
    give,
    granted,
    order_picture,
    picture,
    trained_style,
)

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.slow]

TASKS = 1_000
PAYERS = 10
PRICE = 10
LONGEST_SECONDS = 180

Asked = Callable[[Worker], Answer]


class Race:
    """Two threads that report at the same moment, each for its own worker of every task."""

    def __init__(self, pairs: list[tuple[Worker, Worker]], ask: Asked) -> None:
        self.pairs, self.ask = pairs, ask
        self.answers: list[list[Answer | None]] = [[None, None] for _ in pairs]
        self._start = threading.Barrier(2, timeout=LONGEST_SECONDS)

    def run(self) -> list[list[str]]:
        """Return the dispositions of every task, sorted."""
        threads = [threading.Thread(target=self._report, args=(side,)) for side in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONGEST_SECONDS)
        told = [[answer.disposition for answer in both if answer] for both in self.answers]
        return [sorted(dispositions) for dispositions in told]

    def _report(self, side: int) -> None:
        try:
            for number, pair in enumerate(self.pairs):
                self._start.wait()
                self.answers[number][side] = self.ask(pair[side])
        finally:
            self._start.abort()  # the other one need not wait for one that failed
            connection.close()


def ordered(artist: UUID, payers: list[UUID]) -> list[RequestGeneration]:
    """Order TASKS pictures for all that the payers have."""
    style_id = trained_style(artist, price=PRICE)
    share = TASKS // len(payers)
    give(*(granted(payer, PRICE * share) for payer in payers))
    orders = [order_picture(payer, style_id) for payer in payers for _ in range(share)]
    give(*orders)
    return orders


def test_one_of_two_workers_is_counted_each_time() -> None:
    """G5, G9, G12: of every other task the second worker has the first one's claim as well."""
    artist, payers = new_id(), [new_id() for _ in range(PAYERS)]
    orders = ordered(artist, payers)
    pairs = [
        (Worker("generation", order.task_id), Worker("generation", order.task_id))
        for order in orders
    ]

    assert Race(pairs, lambda worker: worker.tell("started")).run() == (
        [["applied", "stale"]] * TASKS
    )

    bound = [_winner_first(pair) for pair in pairs]
    for number, (winner, loser) in enumerate(bound):
        winner.upload(picture())
        if number % 2:
            loser.claim = winner.claim
    said = announced(picture())
    ends = Race(
        bound, lambda worker: worker.tell("complete", said, callback_id=str(new_id()))
    ).run()

    assert Counter(map(tuple, ends[1::2])) == {("applied", "duplicate"): TASKS // 2}
    assert {tuple(end) for end in ends[::2]} <= {("applied", "stale"), ("applied", "late_ignored")}
    for order in orders:
        told = Counter(row.type for row in read.stream(order.stream))
        assert (told["GenerationStarted"], told["HoldCaptured"]) == (1, 1)
        assert (told["GenerationCompleted"], told["LateResultReceived"]) == (1, 0)
    catch_up()
    assert [balance(payer) for payer in payers] == [(0, 0)] * PAYERS
    assert open_balance(f"artist/{artist}/pending") == {"paid": TASKS * (PRICE - 1)}
    assert list(verify.violations(snapshot.take())) == []


def _winner_first(pair: tuple[Worker, Worker]) -> tuple[Worker, Worker]:
    """Return the two with the one first whose claim is bound: it is told so when it asks again."""
    first, second = pair
    is_first = first.tell("started").disposition == "duplicate"
    return (first, second) if is_first else (second, first)
