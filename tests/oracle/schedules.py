"""Random schedules: a Hypothesis state machine whose every step goes to model and ledger alike."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from django.db import connection
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS, HypothesisProvider
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from ledger.book.read import shard_of
from ledger.domain.attempt import ExpireJob
from ledger.orders import Context, Key, Order
from tests.oracle import job_actions as jobs
from tests.oracle import money_actions as money
from tests.oracle.model import Model
from tests.oracle.pair import Pair
from tests.oracle.reading import Reading
from tests.oracle.stage import Asked, Drawn, Stage

STEPS = 50  # of each schedule
LEAST_COMMANDS = 50  # that were compared, for a schedule to count
BATCH = 3
WAITS = (1, 6, 31, 61, 125, 700, 4_000, 90_000)  # seconds

# How often each thing happens, in parts of all.
WEIGHTS: dict[Callable[[Stage, Drawn], Asked], int] = {
    jobs.go_on: 40,
    jobs.order: 9,
    jobs.train: 2,
    jobs.style_changes: 3,
    jobs.order_again: 2,
    jobs.cancel: 4,
    jobs.started: 3,
    jobs.progress: 2,
    jobs.complete: 3,
    jobs.complete_again: 3,
    jobs.fail: 3,
    jobs.late: 4,
    jobs.accept_late: 4,
    jobs.lease_ends: 3,
    jobs.pause_ends: 3,
    jobs.time_is_over: 2,
    money.grant: 5,
    money.transfer: 4,
    money.sweep: 1,
    money.buy: 3,
    money.pay: 4,
    money.payment_fails: 1,
    money.money_back: 3,
    money.purchase_expires: 2,
    money.refund: 3,
    money.clear: 2,
    money.claim: 4,
    money.payout: 3,
    money.payout_closes: 2,
}
ACTIONS = {action.__name__: action for action in WEIGHTS}
ACTION = st.sampled_from(
    [action.__name__ for action, parts in WEIGHTS.items() for _ in range(parts)]
)
FATE = st.sampled_from(
    ["send"] * 9 + ["twice"] * 2 + ["cut before", "cut after"] + ["hold"] * 3 + ["race"] * 2
    + ["repeat", "wait"]
)  # fmt: skip
DRAWN = st.builds(
    Drawn, st.integers(0, 15), st.integers(0, 15), st.integers(0, 7), st.integers(0, 7),
    st.integers(0, 2),
)  # fmt: skip


class Independent(HypothesisProvider):
    """Draws each schedule afresh: by itself Hypothesis goes on from parts of earlier ones."""


AVAILABLE_PROVIDERS["independent"] = Independent


@dataclass
class Tally:
    """What was run: schedules of at least LEAST_COMMANDS, and all commands compared."""

    schedules: int = 0
    commands: int = 0


class Schedules(RuleBasedStateMachine):
    """One schedule: people, their world, and what is done with it step by step."""

    tally: ClassVar[Tally]

    def __init__(self) -> None:
        super().__init__()
        self.stage = Stage()
        cast = self.stage.cast
        reading = Reading(map(shard_of, cast.people), cast.accounts())
        self.pair = Pair(Model(self.stage.world), reading)
        self.is_sound = True
        self.held: list[Order] = []
        self.keyed: list[Order] = []
        self._place = self.pair.in_place()
        self._place.__enter__()
        self.pair.send([Order(command, Context(actor="test")) for command in cast.scene()])
        self.pair.given = 0

    @rule(action=ACTION, fate=FATE, drawn=DRAWN)
    def step(self, action: str, fate: str, drawn: Drawn) -> None:
        """Do one thing, and let it meet its fate."""
        self.is_sound = False
        self._step(action, fate, drawn)
        self.is_sound = True

    def _step(self, action: str, fate: str, drawn: Drawn) -> None:
        if fate == "wait":
            self.stage.world.now += timedelta(seconds=WAITS[drawn.one])
        if fate == "repeat" and self.keyed:
            return self.pair.send([self._earlier(drawn)])
        command, scope = ACTIONS[action](self.stage, drawn)
        key = scope and Key(scope=scope, key=str(self.stage.cast.ids.new(0)), fingerprint="same")
        order = Order(command, Context(actor=scope or "timer", key=key or None))
        if key:
            self.keyed.append(order)
        return self._meet(fate, order)

    def teardown(self) -> None:
        """Send what was held back, end what is open, and check the invariants."""
        try:
            if not self.is_sound:
                return
            self._flush()
            self._end_all()
            self.pair.end()
            if self.pair.given >= LEAST_COMMANDS:
                self.tally.schedules += 1
            self.tally.commands += self.pair.given
        finally:
            self._place.__exit__(None, None, None)

    def _earlier(self, drawn: Drawn) -> Order:
        """Return an earlier order: the same once more, at times as if its body were another."""
        order = self.keyed[-1 - drawn.pick % len(self.keyed)]
        key = order.context.key
        if key is None or drawn.one:
            return order
        other = Key(scope=key.scope, key=key.key, fingerprint="other")
        return Order(order.command, Context(actor=order.context.actor, key=other))

    def _meet(self, fate: str, order: Order) -> None:
        if fate == "hold":
            self.held.append(order)
            if len(self.held) >= BATCH:
                self._flush()
        elif fate == "race" and self.held:
            self.pair.race(order, self.held.pop())
            self.stage.world = self.pair.model.world
        elif fate.startswith("cut"):
            self.pair.cut(order, fate.partition(" ")[2])
        else:
            self.pair.send([order])
        if fate == "twice":
            self.pair.send([order])

    def _flush(self) -> None:
        held, self.held = self.held, []
        if held:
            self.pair.send(held)

    def _end_all(self) -> None:
        """No hold outlives its job: past every deadline the timers leave nothing open (G5)."""
        world = self.stage.world
        left = [job for job in world.jobs.values() if not job.is_ended]
        world.now = max([world.now, *(job.deadline for job in left)]) + timedelta(seconds=1)
        ends = [ExpireJob(stream=self.stage.stream(job), style_id=job.style) for job in left]
        if ends:
            self.pair.send([Order(end, Context(actor="timer")) for end in ends])
        open_holds = [one for one in self.pair.reading.filled() if one[0].endswith("/held")]
        assert not open_holds, f"G5: held for nothing: {open_holds}"


def run(schedules: int, seed_number: int, phases: Sequence[Phase] = (Phase.generate,)) -> Tally:
    """Run so many schedules from a seed; return what was run. Raises Difference.

    With Phase.shrink a difference is brought to a short schedule first, which is printed.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "set synchronous_commit = off"
        )  # no power fails here, and it is twice as fast
    tally = Tally()
    machine = seed(seed_number)(type("Schedules", (Schedules,), {"tally": tally}))
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=schedules,
            stateful_step_count=STEPS,
            database=None,
            backend="independent",
            deadline=None,
            phases=phases,
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        ),
        _min_steps=STEPS,
    )
    return tally
