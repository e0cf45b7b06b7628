"""Leases of tasks, as heartbeats renew them; who renews has proved before that the task is theirs.

Written by workers' reports of progress, read and cleared away by the timers.
"""

from uuid import UUID

from django.db import connection

KEPT_SECONDS = 3600.0
SWEEP_ROWS = 1_000

_RENEW = """
INSERT INTO task_lease (task_id, sequence, leased_until_at)
VALUES (%s, %s, now() + make_interval(secs => %s))
ON CONFLICT (task_id) DO UPDATE
SET sequence = excluded.sequence, leased_until_at = excluded.leased_until_at
WHERE task_lease.sequence < excluded.sequence
"""
_SWEEP = """
DELETE FROM task_lease WHERE task_id IN (
    SELECT task_id FROM task_lease WHERE leased_until_at < now() - make_interval(secs => %s)
    ORDER BY leased_until_at LIMIT %s
)
"""


def renew(task_id: UUID, *, sequence: int, seconds: float) -> bool:
    """Let the task be kept for `seconds` from now; False for a report older than the last."""
    with connection.cursor() as cursor:
        cursor.execute(_RENEW, [task_id, sequence, seconds])
        return bool(cursor.rowcount)


def sweep() -> int:
    """Forget leases that ended an hour ago, SWEEP_ROWS at most; return how many."""
    with connection.cursor() as cursor:
        cursor.execute(_SWEEP, [KEPT_SECONDS, SWEEP_ROWS])
        return int(cursor.rowcount)
