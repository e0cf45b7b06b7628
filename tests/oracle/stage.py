"""The stage of one schedule: its people and world, and how a step picks what it is about."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from tests.oracle.cast import SHA256, START, Cast, jitter
from tests.oracle.world import Job, World

STRANGER = 15  # the pick that names nobody
OPEN = ("queued", "processing", "retrying")
ENDED = ("completed", "failed", "expired", "canceled")


class Drawn(NamedTuple):
    """What chance gives a step: `pick` and `who` of 0-15, `one` and `two` of 0-7, `ripe` of 0-2."""

    pick: int
    who: int
    one: int
    two: int
    ripe: int


class Asked(NamedTuple):
    """A command and whose key it comes under; timers and reports of progress have none."""

    command: Any
    scope: str | None = None


class Stage:
    """Who is there, and the world as the model has it."""

    def __init__(self) -> None:
        self.cast = Cast()
        self.world = World(now=START, jitter=jitter)

    def person(self, number: int) -> UUID:
        """Return one of the three people."""
        return self.cast.people[number % 3]

    def ripen(self, due: datetime | None, ripe: int) -> None:
        """Wait until what is due is due (1), or a moment more (2)."""
        if due and ripe:
            self.world.now = max(self.world.now, due + timedelta(milliseconds=ripe - 1))

    def job(self, pick: int, *statuses: str, kind: str | None = None) -> Job | None:
        """Return a job in one of these states, else any, the newest first; None for a stranger."""
        jobs = [one for one in self.world.jobs.values() if kind in (None, one.kind)][::-1]
        fitting = [one for one in jobs if one.status in statuses] or jobs
        return None if pick == STRANGER or not fitting else fitting[pick % len(fitting)]

    def stream(self, job: Job | None) -> str:
        """Return the job's stream, or one that is not there."""
        return f"{job.kind}-{job.id}" if job else f"generation-{self.cast.ids.new(0)}"

    def purchase(self, pick: int) -> tuple[UUID, int]:
        """Return a purchase and its price in cents."""
        known = list(self.world.purchases)
        if pick == STRANGER or not known:
            return self.cast.ids.new(self.cast.ann), 500
        purchase_id = known[-1 - pick % len(known)]
        return purchase_id, self.world.purchases[purchase_id].cents

    def reporter(self, job: Job | None, who: int, *, later: int = 1) -> dict[str, Any]:
        """Return who reports on what: mostly who may; else an old task, another claim or worker."""
        ids, workers = self.cast.ids, self.cast.workers
        if job is None:
            return {
                "task_id": ids.new(0), "claim": ids.new(0), "worker_id": workers[0], "sequence": 1
            }  # fmt: skip
        attempt = job.attempts[0] if who == 12 else job.newest
        claim, worker = attempt.claim, attempt.worker
        if claim is None or who == 13:
            claim = ids.new(0)
        if worker is None or who == 14:
            worker = workers[1 if worker == workers[0] else 0]
        return {
            "task_id": attempt.task, "claim": claim,
            "worker_id": None if who == 11 else worker, "sequence": job.sequence + later,
        }  # fmt: skip


def result(is_other: bool) -> dict[str, Any]:
    """Return what a worker says of its result."""
    sha256 = "cd" * 32 if is_other else SHA256
    return {"key": "results/1", "sha256": sha256, "bytes": 9, "content_type": "image/png"}
