"""What is due now: jobs, purchases and earnings whose time has come, oldest first.

Read by the timers, which may find the same thing twice: the projection follows a moment later.
"""

from typing import NamedTuple
from uuid import UUID

from django.db import connection

MOST_DUE = 200
JOB_KINDS = ("generation", "training")

_OPEN = "status in ('queued', 'processing', 'retrying')"


class DueJob(NamedTuple):
    """A job and its newest attempt."""

    kind: str
    id: UUID
    style_id: UUID
    task_id: UUID
    attempts: int

    @property
    def stream(self) -> str:
        """The job's stream."""
        return f"{self.kind}-{self.id}"


def retries(kind: str, limit: int = MOST_DUE) -> list[DueJob]:
    """Return jobs whose pause before the next attempt is over."""
    return _jobs(kind, "j.status = 'retrying' and j.retry_at <= now()", "j.retry_at", limit)


def lost_leases(kind: str, limit: int = MOST_DUE) -> list[DueJob]:
    """Return jobs whose worker's lease is over, heartbeats included."""
    condition = (
        "j.status = 'processing' and j.leased_until_at < now() and not exists"
        " (select from task_lease as l where l.task_id = j.task_id and l.leased_until_at >= now())"
    )
    return _jobs(kind, condition, "j.leased_until_at", limit)


def unstarted(kind: str, limit: int = MOST_DUE) -> list[DueJob]:
    """Return jobs that no worker has begun in time."""
    condition = "j.status = 'queued' and j.start_by_at < now() and j.started_at is null"
    return _jobs(kind, condition, "j.start_by_at", limit)


def waiting(kind: str, *, start_within_seconds: float, limit: int = MOST_DUE) -> list[DueJob]:
    """Return queued jobs that have to start within the given time, the longest waiting first."""
    latest = f"now() + make_interval(secs => {start_within_seconds:f})"
    return _jobs(kind, f"j.status = 'queued' and j.start_by_at < {latest}", "j.start_by_at", limit)


def overdue(kind: str, limit: int = MOST_DUE) -> list[DueJob]:
    """Return open jobs whose whole time is over."""
    return _jobs(kind, f"j.{_OPEN} and j.deadline_at < now()", "j.deadline_at", limit)


def open_jobs(kind: str) -> int:
    """Return how many jobs of a kind have not ended."""
    assert kind in JOB_KINDS  # noqa: S101  # it names a table
    with connection.cursor() as cursor:
        cursor.execute(f"select count(*) from {kind} as j where j.{_OPEN}")  # noqa: S608
        return int(cursor.fetchone()[0])


def uncleared(limit: int = MOST_DUE) -> list[UUID]:
    """Return generations whose artist's part is to be cleared."""
    return _ids(
        "select id from generation where clears_at is not null and cleared_at is null"
        " and clears_at <= now() order by clears_at limit %s",
        limit,
    )


def unpaid(limit: int = MOST_DUE) -> list[UUID]:
    """Return purchases that nobody paid in time."""
    return _ids(
        "select id from purchase where status = 'started' and not is_disputed"
        " and expires_at < now() order by expires_at limit %s",
        limit,
    )


def _jobs(kind: str, condition: str, order: str, limit: int) -> list[DueJob]:
    assert kind in JOB_KINDS  # noqa: S101  # it names a table
    with connection.cursor() as cursor:
        cursor.execute(
            f"select %s, j.id, j.style_id, j.task_id, j.attempts from {kind} as j"  # noqa: S608
            f" where {condition} order by {order} limit %s",
            [kind, limit],
        )
        return [DueJob(*row) for row in cursor.fetchall()]


def _ids(query: str, limit: int) -> list[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(query, [limit])
        return [identifier for (identifier,) in cursor.fetchall()]
