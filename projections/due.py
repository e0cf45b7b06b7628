"""What is due now: jobs, purchases and earnings whose time has come, oldest first.

Read by the timers, which may find the same thing twice: the projection follows a moment later.
"""

from typing import NamedTuple
from uuid import UUID

from django.db import connection

MOST_DUE = 200
JOB_KINDS = ("generation", "training")

MOST_COUNTED = 100_000  # jobs of one status, for a monitor
MOST_LOOKED_AT = 10_000  # open jobs with the nearest deadlines, for the oldest hold

_STATUSES = ("queued", "processing", "retrying")
_OPEN = "status in ('queued', 'processing', 'retrying')"

# By timer: which jobs are due, and since when.
_JOBS_DUE = {
    "retries": ("j.status = 'retrying' and j.retry_at <= now()", "j.retry_at"),
    "leases": (
        "j.status = 'processing' and j.leased_until_at < now() and not exists"
        " (select from task_lease as l where l.task_id = j.task_id and l.leased_until_at >= now())",
        "j.leased_until_at",
    ),
    "starts": (
        "j.status = 'queued' and j.start_by_at < now() and j.started_at is null",
        "j.start_by_at",
    ),
    "deadlines": (f"j.{_OPEN} and j.deadline_at < now()", "j.deadline_at"),
}
# By timer: the table, which of its rows are due, and since when.
_OTHERS_DUE = {
    "clearing": (
        "generation",
        "clears_at is not null and cleared_at is null and clears_at <= now()",
        "clears_at",
    ),
    "purchases": (
        "purchase",
        "status = 'started' and not is_disputed and expires_at < now()",
        "expires_at",
    ),
}


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
    return _jobs(kind, *_JOBS_DUE["retries"], limit)


def lost_leases(kind: str, limit: int = MOST_DUE) -> list[DueJob]:
    """Return jobs whose worker's lease is over, heartbeats included."""
    return _jobs(kind, *_JOBS_DUE["leases"], limit)


def unstarted(kind: str, limit: int = MOST_DUE) -> list[DueJob]:
    """Return jobs that no worker has begun in time."""
    return _jobs(kind, *_JOBS_DUE["starts"], limit)


def waiting(kind: str, *, start_within_seconds: float, limit: int = MOST_DUE) -> list[DueJob]:
    """Return queued jobs that have to start within the given time, the longest waiting first."""
    latest = f"now() + make_interval(secs => {start_within_seconds:f})"
    return _jobs(kind, f"j.status = 'queued' and j.start_by_at < {latest}", "j.start_by_at", limit)


def overdue(kind: str, limit: int = MOST_DUE) -> list[DueJob]:
    """Return open jobs whose whole time is over."""
    return _jobs(kind, *_JOBS_DUE["deadlines"], limit)


def open_jobs(kind: str) -> int:
    """Return how many jobs of a kind have not ended."""
    assert kind in JOB_KINDS  # noqa: S101  # it names a table
    with connection.cursor() as cursor:
        cursor.execute(f"select count(*) from {kind} as j where j.{_OPEN}")  # noqa: S608
        return int(cursor.fetchone()[0])


def open_jobs_by_status(kind: str) -> dict[str, int]:
    """Return how many jobs of a kind are in each open status; MOST_COUNTED for more than that."""
    assert kind in JOB_KINDS  # noqa: S101  # it names a table
    counts = " union all ".join(
        f"select '{status}', count(*) from (select from {kind} where status = '{status}'"  # noqa: S608
        f" limit {MOST_COUNTED}) as counted"
        for status in _STATUSES
    )
    with connection.cursor() as cursor:
        cursor.execute(counts)
        return dict(cursor.fetchall())


def oldest_hold_seconds(kind: str) -> float:
    """Return for how long the oldest open job of a kind has held its tokens; 0 without one.

    Looked for where it must be: first in the queue, or among those with the nearest deadlines.
    """
    assert kind in JOB_KINDS  # noqa: S101  # it names a table
    with connection.cursor() as cursor:
        cursor.execute(
            "select coalesce(extract(epoch from now() - least("  # noqa: S608
            f" (select created_at from {kind} where status = 'queued'"
            " order by created_at limit 1),"
            f" (select min(created_at) from (select created_at from {kind} where {_OPEN}"
            " order by deadline_at limit %s) as near))), 0)::float8",
            [MOST_LOOKED_AT],
        )
        return max(0.0, float(cursor.fetchone()[0]))


def overdue_seconds() -> dict[str, float]:
    """Return by timer for how long the first thing that it should have done has waited.

    Expired tokens are not among them: who meets them expires them, with or without a timer.
    """
    looks = [
        (timer, f"{kind} as j", condition, since)
        for timer, (condition, since) in _JOBS_DUE.items()
        for kind in JOB_KINDS
    ] + [(timer, *where) for timer, where in _OTHERS_DUE.items()]
    found = dict.fromkeys((timer for timer, *_ in looks), 0.0)
    with connection.cursor() as cursor:
        cursor.execute(
            " union all ".join(
                f"(select '{timer}', extract(epoch from now() - {since})::float8"  # noqa: S608
                f" from {table} where {condition} order by {since} limit 1)"
                for timer, table, condition, since in looks
            )
        )
        for timer, seconds in cursor.fetchall():
            found[timer] = max(found[timer], seconds)
    return found


def uncleared(limit: int = MOST_DUE) -> list[UUID]:
    """Return generations whose artist's part is to be cleared."""
    return _ids("clearing", limit)


def unpaid(limit: int = MOST_DUE) -> list[UUID]:
    """Return purchases that nobody paid in time."""
    return _ids("purchases", limit)


def _jobs(kind: str, condition: str, order: str, limit: int) -> list[DueJob]:
    assert kind in JOB_KINDS  # noqa: S101  # it names a table
    with connection.cursor() as cursor:
        cursor.execute(
            f"select %s, j.id, j.style_id, j.task_id, j.attempts from {kind} as j"  # noqa: S608
            f" where {condition} order by {order} limit %s",
            [kind, limit],
        )
        return [DueJob(*row) for row in cursor.fetchall()]


def _ids(timer: str, limit: int) -> list[UUID]:
    table, condition, since = _OTHERS_DUE[timer]
    with connection.cursor() as cursor:
        cursor.execute(
            f"select id from {table} where {condition} order by {since} limit %s",  # noqa: S608
            [limit],
        )
        return [identifier for (identifier,) in cursor.fetchall()]
