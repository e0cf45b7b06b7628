"""Whether the processes without a port keep up with their work: what a container's check asks.

A process that hangs shows in what it leaves undone, however it hangs.
"""

from django.db import connection

from projections import due
from projections.catalogue import PROJECTORS
from projections.checkpoints import begun, lags

MOST_SECONDS = 60.0

_RELAY = """
select coalesce(max(extract(epoch from clock_timestamp() - e.recorded_at)), 0)::float8
from head as h
left join relay_shard as r on r.shard = h.shard
join event as e on e.shard = h.shard and e.position = coalesce(r.position, 0) + 1
"""
_OVERDUE = """
select count(*) from {kind}
where status in ('queued', 'processing', 'retrying')
    and deadline_at < now() - make_interval(secs => %s)
"""


def projections() -> str:
    """Return what is wrong with the projections, or nothing."""
    if never := sorted({one.name for one in PROJECTORS} - begun(PROJECTORS)):
        return f"never begun: {', '.join(never)}"
    found = lags(PROJECTORS)
    if stopped := sorted({lag.projection for lag in found if lag.state == "stopped"}):
        return f"stopped: {', '.join(stopped)}"
    return _late(max((lag.seconds for lag in found), default=0.0))


def consumers() -> str:
    """Return what is wrong with the relay, or nothing."""
    with connection.cursor() as cursor:
        cursor.execute(_RELAY)
        return _late(cursor.fetchone()[0])


def timers() -> str:
    """Return what is wrong with the timers, or nothing: jobs that should long have ended."""
    overdue = 0
    with connection.cursor() as cursor:
        for kind in due.JOB_KINDS:
            cursor.execute(_OVERDUE.format(kind=kind), [MOST_SECONDS])
            overdue += cursor.fetchone()[0]
    return f"open past their deadline: {overdue} jobs" if overdue else ""


def _late(seconds: float) -> str:
    return f"{seconds:.0f} s behind the book" if seconds > MOST_SECONDS else ""


CHECKS = {"projections": projections, "consumers": consumers, "timers": timers}
