"""Checkpoints: how far each projector has come in each shard, and in which state it is."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import connection
from django.db.backends.utils import CursorWrapper

from projections.projector import Projector

ERROR_LENGTH = 500

Projectors = Sequence[type[Projector]]


class CheckpointMoved(Exception):
    """Another runner moved a checkpoint that this one had locked: nothing was written."""


@dataclass(frozen=True, slots=True)
class Work:
    """Projectors that stand at `position` of `shard`, whose head is another."""

    shard: int
    position: int
    head: int
    projectors: tuple[str, ...]


class Lag(NamedTuple):
    """How far a projection is behind a shard: in events, and in seconds since the oldest."""

    projection: str
    shard: int
    state: str
    error: str | None
    positions: int
    seconds: float


def ensure(projectors: Projectors) -> None:
    """Create the checkpoints that are not there yet, at the start of each shard."""
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into projection_checkpoint (projection, version, shard)"
            " select p.name, p.version, h.shard from head as h"
            " cross join unnest(%(names)s, %(versions)s::smallint[]) as p (name, version)"
            " on conflict do nothing",
            _named(projectors),
        )


def begun(projectors: Projectors) -> set[str]:
    """Return the names of those that have checkpoints."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select distinct c.projection from projection_checkpoint as c"
            " join unnest(%(names)s, %(versions)s::smallint[]) as p (name, version)"
            " on p.name = c.projection and p.version = c.version",
            _named(projectors),
        )
        return {name for (name,) in cursor.fetchall()}


def behind(projectors: Projectors) -> list[Work]:
    """Return who has something to fold: one query for all shards and projectors."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select c.shard, c.position, h.position, array_agg(c.projection)"
            " from head as h"
            " join projection_checkpoint as c on c.shard = h.shard and c.position <> h.position"
            " join unnest(%(names)s, %(versions)s::smallint[]) as p (name, version)"
            " on p.name = c.projection and p.version = c.version"
            " where c.state = 'following'"
            " group by c.shard, c.position, h.position order by c.shard, c.position",
            _named(projectors),
        )
        return [
            Work(shard, position, head, tuple(names))
            for shard, position, head, names in cursor.fetchall()
        ]


def lock(cursor: CursorWrapper, work: Work, projectors: Projectors) -> Projectors:
    """Lock the checkpoints of `projectors` that nobody else works on and that have not moved.

    The transaction commits without waiting for the disk: a crash of the server may take the
    newest folds back, rows and checkpoints together, and they are folded again.
    """
    cursor.execute(
        "set local synchronous_commit = off;"
        " select c.projection from projection_checkpoint as c"
        " join unnest(%(names)s, %(versions)s::smallint[]) as p (name, version)"
        " on p.name = c.projection and p.version = c.version"
        " where c.shard = %(shard)s and c.position = %(position)s and c.state = 'following'"
        " for update of c skip locked",
        _named(projectors) | {"shard": work.shard, "position": work.position},
    )
    mine = {name for (name,) in cursor.fetchall()}
    return [projector for projector in projectors if projector.name in mine]


def move(cursor: CursorWrapper, work: Work, projectors: Projectors, to: int) -> None:
    """Move the checkpoints from where they were locked to `to`, or raise CheckpointMoved."""
    cursor.execute(
        "update projection_checkpoint as c set position = %(to)s, updated_at = clock_timestamp()"
        " from unnest(%(names)s, %(versions)s::smallint[]) as p (name, version)"
        " where p.name = c.projection and p.version = c.version"
        " and c.shard = %(shard)s and c.position = %(position)s and c.state = 'following'",
        _named(projectors) | {"shard": work.shard, "position": work.position, "to": to},
    )
    if cursor.rowcount != len(projectors):
        raise CheckpointMoved(f"{work.shard}-{work.position}")


def stop(projector: type[Projector], shard: int, position: int, error: str) -> bool:
    """Stop the projector's shard at `position`; return whether it stood there and followed."""
    with connection.cursor() as cursor:
        cursor.execute(
            "update projection_checkpoint"
            " set state = 'stopped', error = %s, updated_at = clock_timestamp()"
            " where projection = %s and version = %s and shard = %s and position = %s"
            " and state = 'following'",
            [error[:ERROR_LENGTH], projector.name, projector.version, shard, position],
        )
        return bool(cursor.rowcount == 1)


def resume(projectors: Projectors) -> int:
    """Let stopped shards go on from where they stopped; return how many there were."""
    with connection.cursor() as cursor:
        cursor.execute(
            "update projection_checkpoint as c"
            " set state = 'following', error = null, updated_at = clock_timestamp()"
            " from unnest(%(names)s, %(versions)s::smallint[]) as p (name, version)"
            " where p.name = c.projection and p.version = c.version and c.state = 'stopped'",
            _named(projectors),
        )
        return int(cursor.rowcount)


def close(projector: type[Projector]) -> None:
    """Let nobody follow: the projector's rows are about to be emptied."""
    with connection.cursor() as cursor:
        cursor.execute(
            "update projection_checkpoint"
            " set state = 'rebuilding', error = null, updated_at = clock_timestamp()"
            " where projection = %s and version = %s",
            [projector.name, projector.version],
        )


def reopen(projector: type[Projector]) -> None:
    """Let the projector, emptied, be followed from event 1 of each shard."""
    with connection.cursor() as cursor:
        cursor.execute(
            "update projection_checkpoint"
            " set state = 'following', position = 0, updated_at = clock_timestamp()"
            " where projection = %s and version = %s and state = 'rebuilding'",
            [projector.name, projector.version],
        )


def position_locked(cursor: CursorWrapper, projector: type[Projector], shard: int) -> int:
    """Lock a checkpoint until the transaction ends, so that no runner moves it; return it."""
    cursor.execute(
        "select position from projection_checkpoint"
        " where projection = %s and version = %s and shard = %s for update",
        [projector.name, projector.version, shard],
    )
    return int(cursor.fetchone()[0])


def standing(
    projectors: Projectors, shards: Iterable[int] | None = None
) -> list[tuple[int, int, str]]:
    """Return (shard, position, state) of each checkpoint of `projectors` in `shards`, or all."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select c.shard, c.position, c.state from projection_checkpoint as c"
            " join unnest(%(names)s, %(versions)s::smallint[]) as p (name, version)"
            " on p.name = c.projection and p.version = c.version"
            " where %(shards)s is null or c.shard = any(%(shards)s)",
            _named(projectors) | {"shards": None if shards is None else list(shards)},
        )
        return list(cursor.fetchall())


def lags(projectors: Projectors) -> list[Lag]:
    """Return the lag of each projector in each shard; seconds by the database's clock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select c.projection, c.shard, c.state, c.error, h.position - c.position,"
            " greatest(0, coalesce("
            " extract(epoch from clock_timestamp() - e.recorded_at), 0))::float8"
            " from projection_checkpoint as c"
            " join unnest(%(names)s, %(versions)s::smallint[]) as p (name, version)"
            " on p.name = c.projection and p.version = c.version"
            " join head as h on h.shard = c.shard"
            " left join event as e on e.shard = c.shard and e.position = c.position + 1"
            " order by c.projection, c.shard",
            _named(projectors),
        )
        return [Lag(*values) for values in cursor.fetchall()]


def _named(projectors: Projectors) -> dict[str, Any]:
    return {
        "names": [projector.name for projector in projectors],
        "versions": [projector.version for projector in projectors],
    }
