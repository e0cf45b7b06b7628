"""The relay: follows the book and publishes every task that was committed (G8).

The book is the outbox. A shard's checkpoint moves to the highest contiguous position that the
broker has confirmed, so a crash publishes again rather than never; workers meet duplicates. What
the broker has lost since is published again too: each task that nobody has started in time.
"""

import threading
import time
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from consumers import checkpoints
from consumers.backoff import Backoff
from consumers.broker import Broker, BrokerError, Message
from consumers.tasks import QUEUES_AN_ATTEMPT, ArtistNames, task_in, task_of
from core.storage import StoreUnavailable
from ledger.book import read
from ledger.codec import decode
from ledger.terms import terms
from projections import due
from projections.due import DueJob

POLL_SECONDS = 0.03
PAGE_EVENTS = 500
ROUND_MESSAGES = 500  # no more pages are read in a round once this many tasks wait
PUBLISH_SECONDS = checkpoints.LEASE_SECONDS / 2  # so that a lease outlives the round it covers
RENEW_SECONDS = checkpoints.LEASE_SECONDS / 5
MOST_UNSTARTED = 2_000  # jobs of a kind that a pass looks at
MOST_AGAIN = 100  # tasks that it publishes again
STUCK_SECONDS = 5.0  # how long a shard rests at an event that cannot be published
OUTAGES = (OperationalError, InterfaceError, BrokerError, StoreUnavailable)
log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Page:
    """What one round publishes of one shard: rows up to `last`, tasks at their positions."""

    shard: int
    last: int
    tasks: list[tuple[int, str, Message]] = field(default_factory=list)

    def reached(self, errors: list[BrokerError | None]) -> int:
        """Return the highest contiguous position that is done, given the result per task."""
        for (position, _, _), error in zip(self.tasks, errors, strict=True):
            if error is not None:
                return position - 1
        return self.last


class Relay:
    """One relay; of several on one book, those without the lease stand by."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._holder = uuid4()
        self._positions: dict[int, int] = {}  # of the leased shards, longest unserved first
        self._rests_until: dict[int, float] = {}  # of stuck shards
        self._renew_at = 0.0
        self._is_ready = False
        self._look_again_at = time.monotonic() + settings.REPUBLISH_SECONDS / 4
        self._again: dict[UUID, tuple[float, float]] = {}  # task: when next, pause after that
        self._backoff = Backoff()

    def run(self, stop: threading.Event) -> None:
        """Publish until `stop` is set; outages of database, broker and storage are waited out."""
        try:
            while not stop.is_set():
                stop.wait(self._step())
        finally:
            self._let_go()

    def round(self) -> bool:
        """Publish what is there, once; return whether there may be more at once.

        Raises BrokerError after everything that was confirmed is checkpointed.
        """
        self._renew()
        pages = self._read()
        if not pages:
            return False
        tasks = [task for page in pages for task in page.tasks]
        errors = self._broker.publish_many(
            [(queue, message) for _, queue, message in tasks], timeout_seconds=PUBLISH_SECONDS
        )
        reached, given = {}, iter(errors)
        for page in pages:
            reached[page.shard] = page.reached([next(given) for _ in page.tasks])
        self._move(reached)
        if failed := next(filter(None, errors), None):
            raise failed
        return True

    def publish_again(self) -> None:
        """Publish each task of ours that nobody has started in REPUBLISH_SECONDS, now and then.

        The pauses between its repetitions double: a long queue is not a lost one, and a worker
        that gets a task twice is told that it is `stale`. Raises BrokerError.
        """
        now = time.monotonic()
        if now < self._look_again_at:
            return
        self._look_again_at = now + settings.REPUBLISH_SECONDS / 4
        waiting = self._unstarted()
        self._again = {one.task_id: self._again.get(one.task_id, (0.0, 0.0)) for one in waiting}
        due_now = [one for one in waiting if self._again[one.task_id][0] <= now][:MOST_AGAIN]
        tasks = [(one, task) for one in due_now if (task := self._task_again(one))]
        errors = self._broker.publish_many(
            [task for _, task in tasks], timeout_seconds=PUBLISH_SECONDS
        )
        failed = {job.task_id for (job, _), error in zip(tasks, errors, strict=True) if error}
        for one in due_now:
            if one.task_id not in failed:
                pause = 2 * self._again[one.task_id][1] or settings.REPUBLISH_SECONDS
                self._again[one.task_id] = now + pause, pause
        if tasks:
            log.warning("published_again", tasks=len(tasks), failed=len(failed))
        if error := next(filter(None, errors), None):
            raise error

    def _task_again(self, job: DueJob) -> tuple[str, Message] | None:
        """Return the task of a job; one that cannot be made keeps back no other (G10)."""
        try:
            return task_in(job.stream)
        except OUTAGES:
            raise
        except Exception:
            log.exception("task_not_made_again", alarm=True, stream=job.stream)
            return None

    def _unstarted(self) -> list[DueJob]:
        """Return the jobs of leased shards that wait for longer than REPUBLISH_SECONDS."""
        limits = {"generation": terms().generation, "training": terms().training}
        return [
            job
            for kind, limit in limits.items()
            for job in due.waiting(
                kind,
                start_within_seconds=limit.start_seconds - settings.REPUBLISH_SECONDS,
                limit=MOST_UNSTARTED,
            )
            if read.stream_shard(job.stream) in self._positions
        ]

    def _step(self) -> float:
        """Make one round and return how long to pause after it, in seconds."""
        try:
            has_published = self.round()
            self.publish_again()
        except OUTAGES as error:
            connection.close()
            log.warning("relay_waits", error=str(error).strip())
            return self._backoff.next_seconds()
        self._backoff.reset()
        return 0.0 if has_published else POLL_SECONDS

    def _renew(self) -> None:
        """Renew the lease in time; what another has taken over is no longer ours."""
        if time.monotonic() < self._renew_at:
            return
        if not self._is_ready:
            checkpoints.ensure()
            self._is_ready = True
        self._positions = checkpoints.lease(self._holder)
        self._renew_at = time.monotonic() + RENEW_SECONDS

    def _read(self) -> list[Page]:
        """Return a page of each shard that is ahead, within bounds."""
        heads = read.heads()
        pages: list[Page] = []
        names = ArtistNames()
        for shard, position in list(self._positions.items()):
            if sum(len(page.tasks) for page in pages) >= ROUND_MESSAGES:
                break
            is_resting = time.monotonic() < self._rests_until.get(shard, 0.0)
            if heads[shard].position != position and not is_resting:
                self._positions[shard] = self._positions.pop(shard)  # to the end of the line
                page = self._page(shard, position, names)
                if page.last > position:
                    pages.append(page)
        return pages

    def _page(self, shard: int, position: int, names: ArtistNames) -> Page:
        """Return the next page of a shard, up to an event that cannot be made a task.

        There the shard waits and says so, until it is mended; the others go on (G10).
        """
        page = Page(shard, position)
        try:
            for row in read.page(shard, position, PAGE_EVENTS):
                if row.type in QUEUES_AN_ATTEMPT and (task := task_of(decode(row), names)):
                    page.tasks.append((row.position, *task))
                page.last = row.position
        except OUTAGES:
            raise
        except Exception:
            log.exception("relay_stuck", alarm=True, shard=shard, position=page.last + 1)
            self._rests_until[shard] = time.monotonic() + STUCK_SECONDS
        return page

    def _move(self, reached: dict[int, int]) -> None:
        moved = checkpoints.move(self._holder, self._positions, reached)
        for shard in reached:
            if shard in moved:
                self._positions[shard] = moved[shard]
            else:  # taken over while we published; the other one publishes again
                del self._positions[shard]

    def _let_go(self) -> None:
        try:
            checkpoints.release(self._holder)
        except (OperationalError, InterfaceError) as error:
            log.warning("relay_lease_runs_out", error=str(error).strip())
        connection.close()
