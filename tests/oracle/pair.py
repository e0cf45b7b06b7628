"""Model and ledger side by side: every step goes to both, and then all they show must be equal.

Steps come with a fate: sent, sent twice, cut before or after the commit and sent again, in a batch,
or with another step between their load and their append.
"""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from ledger import handlers
from ledger.book.append import append
from ledger.book.load import Loaded, load
from ledger.book.read import shard_of
from ledger.orders import Accepted, Order, Result
from tests.oracle.model import Answer, Model
from tests.oracle.reading import Reading


class Difference(AssertionError):
    """Model and ledger disagree."""


class Cut(BaseException):
    """The process ends here, as far as the ledger can tell."""


class Pair:
    """One schedule's model and ledger; `given` counts the commands that were compared."""

    def __init__(self, model: Model, reading: Reading) -> None:
        self.model, self.reading = model, reading
        self.given = 0
        self._cut: str | None = None
        self._between: list[Order] = []
        self._between_answers: list[Answer] = []
        self._first: dict[Any, Accepted] = {}

    def send(self, orders: Sequence[Order]) -> None:
        """Send orders as one batch; the door groups them by shard, in order of first appearance."""
        answers = self._handle(orders)
        shards = list(dict.fromkeys(shard_of(order.shard_id) for order in orders))
        for number in sorted(
            range(len(orders)), key=lambda one: shards.index(shard_of(orders[one].shard_id))
        ):
            self._expect(orders[number], answers[number], self.model.take(orders[number]))
        self._compare(orders)

    def cut(self, order: Order, where: str) -> None:
        """Send an order that is cut before or after its commit, then once more."""
        self._cut = where
        try:
            (answer,) = self._handle([order])
        except Cut:
            if where == "after":
                self.model.take(order)
        else:  # nothing was to be appended
            self._expect(order, answer, self.model.take(order))
        self._cut = None
        self._compare([order])
        self.send([order])

    def race(self, outer: Order, inner: Order) -> None:
        """Send `inner` between the load and the append of `outer`: as if one came after the other.

        Where `inner` changes nothing that `outer` was decided on, either may count as the first.
        """
        self._between, self._between_answers = [inner], []
        (answer,) = self._handle([outer])
        (inner_answer,) = self._between_answers
        self.reading.look()
        self.given += 2
        problems = []
        for sequence in ((inner, outer), (outer, inner)):
            model = copy.deepcopy(self.model)
            told = {one: model.take(order) for one, order in enumerate(sequence)}
            first, second = (
                (inner_answer, answer) if sequence[0] is inner else (answer, inner_answer)
            )
            problems = _differences(model, self.reading)
            if (told[0], told[1]) != (first, second):
                problems.append(f"answers {first}, {second}; the model {told[0]}, {told[1]}")
            if not problems:
                self.model = model
                return
        raise Difference(f"{inner.command} in the middle of {outer.command}: {problems}")

    def end(self) -> None:
        """Check the invariants of all that was written (I1-I8, I11-I13) and its chain."""
        if found := self.reading.violations():
            raise Difference(f"invariants: {found}")

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Give the door this schedule's clock, and cut it where it is to be cut."""
        with (
            patch.object(handlers, "load", self._load),
            patch.object(handlers, "append", self._append),
        ):
            yield

    def _load(self, **arguments: Any) -> Loaded:
        loaded = replace(load(**arguments), now=self.model.world.now)
        if self._between:
            inner = self._between.pop()
            self._between_answers += self._handle([inner])
        return loaded

    def _append(self, **arguments: Any) -> Any:
        if self._cut == "before":
            raise Cut
        appended = append(**arguments)
        if self._cut == "after":
            raise Cut
        return appended

    def _handle(self, orders: Sequence[Order]) -> list[Answer]:
        return [
            self._told(order, result)
            for order, result in zip(orders, handlers.handle(orders), strict=True)
        ]

    def _told(self, order: Order, result: Result) -> Answer:
        """Return the ledger's answer; one that is given again must be the first one."""
        if not isinstance(result, Accepted):
            is_short = result.error.status == 402
            missing = tuple(sorted(result.error.details.items())) if is_short else ()
            return Answer(result.error.code, None, result.replayed, missing)  # type: ignore[arg-type]
        key = order.context.key
        first = self._first.setdefault(key, result) if key else result
        if (first.stream, first.version, first.disposition) != (
            result.stream, result.version, result.disposition,
        ):  # fmt: skip
            raise Difference(f"{order.command} was answered {first}, then {result}")
        disposition = None if result.disposition is None else str(result.disposition)
        return Answer(None, disposition, result.replayed)

    def _expect(self, order: Order, given: Answer, expected: Answer) -> None:
        self.given += 1
        if given != expected:
            raise Difference(f"{order.command}: the ledger says {given}, the model {expected}")

    def _compare(self, orders: Sequence[Order]) -> None:
        self.reading.look()
        if problems := _differences(self.model, self.reading):
            raise Difference(f"after {[order.command for order in orders]}: {problems}")


def _differences(model: Model, reading: Reading) -> list[str]:
    """Return where the two do not show the same: (what, model, ledger)."""
    world = model.world
    shown = {key: job.billing() for key, job in world.jobs.items()}
    shown |= {key: one.shown() for key, one in world.purchases.items()}
    payouts = {key: one.status for key, one in world.payouts.items()}
    filled = world.purse.filled()
    guarded = {place: amount for place, amount in filled.items() if place[0] in reading.accounts}
    pairs = (
        ("tokens", filled, reading.filled()),
        ("served", guarded, reading.served),
        ("shown", shown, reading.shown),
        ("payouts", payouts, reading.payouts),
    )
    return [
        f"{what} {key}: the model has {ours.get(key)}, the ledger {theirs.get(key)}"
        for what, ours, theirs in pairs
        if ours != theirs
        for key in (ours.keys() | theirs.keys())
        if ours.get(key) != theirs.get(key)
    ]
