"""Kills parts of the system at random moments, as often as was planned."""

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass

import structlog

from tests.storm.stage import Stage

WEIGHTS = {"web": 4, "projections": 3, "consumers": 5, "timers": 3}
WORKER_WEIGHT = 3
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Plan:
    """How often what is to be killed."""

    processes: int
    postgres: int
    rabbitmq: int
    cuts: int

    def deeds(self, rng: random.Random, stage: Stage) -> list[str]:
        """Return what to do, in a random order; every kind of process is among it."""
        weights = WEIGHTS | dict.fromkeys(stage.workers, WORKER_WEIGHT)
        names = list(weights)
        drawn = rng.choices(names, list(weights.values()), k=max(0, self.processes - len(names)))
        done = (names + drawn)[: self.processes]
        done += ["postgres"] * self.postgres + ["cut"] * self.cuts
        done += ["rabbitmq"] * (self.rabbitmq if stage.node else 0)
        rng.shuffle(done)
        return done


def plan_for(jobs: int) -> Plan:
    """Return the plan of a long run: of 2,000 jobs 220 kills of processes, 6 of each server."""
    servers = 1 + -(-jobs // 400)
    return Plan(
        processes=-(-jobs * 11 // 100), postgres=servers, rabbitmq=servers, cuts=-(-jobs // 50)
    )


class Killer(threading.Thread):
    """Carries out a plan over about `seconds`; `counts` says what was done."""

    def __init__(self, stage: Stage, plan: Plan, *, seconds: float, seed: int) -> None:
        super().__init__()
        self._stage, self._rng = stage, random.Random(seed)
        self._deeds = plan.deeds(self._rng, stage)
        self._pause = seconds / max(1, len(self._deeds))
        self.counts: Counter[str] = Counter()
        self.error: Exception | None = None
        self.stopping = threading.Event()

    def run(self) -> None:
        """Kill, wait, kill; what a deed takes is taken from the pause after it."""
        for deed in self._deeds:
            began = time.monotonic()
            if self.stopping.is_set():
                return
            try:
                self._do(deed)
            except Exception as error:
                self.error = error
                log.exception("storm_failed", deed=deed)
                return
            self.counts[deed] += 1
            pause = self._pause * self._rng.uniform(0.4, 1.6)
            self.stopping.wait(max(0.05, pause + began - time.monotonic()))

    def _do(self, deed: str) -> None:
        if deed == "postgres":
            self._stage.kill_postgres()
        elif deed == "rabbitmq":
            self._stage.end_broker(self._rng.uniform(0.5, 3.0), kill=self._rng.random() < 0.6)
        elif deed == "cut":
            self._stage.cut_connections()
        else:
            self._stage.kill_process(deed, self._rng.uniform(0.05, 1.5))
