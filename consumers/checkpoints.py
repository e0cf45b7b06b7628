"""The relay's checkpoints: who publishes which shard, and up to where the broker has confirmed."""

from collections.abc import Mapping
from uuid import UUID

from django.db import connection

LEASE_SECONDS = 10.0

ENSURE = (
    "INSERT INTO relay_shard (shard, position) SELECT shard, 0 FROM head ON CONFLICT DO NOTHING"
)
LEASE = """
WITH mine AS (
    SELECT shard FROM relay_shard
    WHERE holder = %(holder)s OR leased_until IS NULL OR leased_until < now()
    ORDER BY shard FOR UPDATE SKIP LOCKED
)
UPDATE relay_shard r
SET holder = %(holder)s, leased_until = now() + make_interval(secs => %(seconds)s)
FROM mine WHERE r.shard = mine.shard
RETURNING r.shard, r.position
"""
MOVE = """
UPDATE relay_shard r SET position = m.reached
FROM unnest(%s::smallint[], %s::bigint[], %s::bigint[]) AS m (shard, stood, reached)
WHERE r.shard = m.shard AND r.position = m.stood AND r.holder = %s
RETURNING r.shard, r.position
"""
RELEASE = "UPDATE relay_shard SET holder = NULL, leased_until = NULL WHERE holder = %s"


def ensure() -> None:
    """Create the checkpoint of every shard that has none, at the beginning of the book."""
    with connection.cursor() as cursor:
        cursor.execute(ENSURE)


def lease(holder: UUID, *, seconds: float = LEASE_SECONDS) -> dict[int, int]:
    """Renew what `holder` has and take what nobody has; return position by shard."""
    with connection.cursor() as cursor:
        cursor.execute(LEASE, {"holder": holder, "seconds": seconds})
        return dict(cursor.fetchall())


def move(holder: UUID, stood: Mapping[int, int], reached: Mapping[int, int]) -> dict[int, int]:
    """Move shards from where they stood to what was reached, by compare-and-set.

    Returns position by shard of those moved; a shard that another has taken over is left out.
    """
    shards = list(reached)
    with connection.cursor() as cursor:
        cursor.execute(
            MOVE, [shards, [stood[one] for one in shards], [reached[one] for one in shards], holder]
        )
        return dict(cursor.fetchall())


def release(holder: UUID) -> None:
    """Let another take over at once."""
    with connection.cursor() as cursor:
        cursor.execute(RELEASE, [holder])
