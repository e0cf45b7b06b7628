"""Replay: a projection folded anew from event 1, to replace its rows or to compare them (G11)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from ledger.book.read import PAGE_LIMIT
from projections import checkpoints
from projections.checkpoints import Work
from projections.follow import catch_up, read_page
from projections.projector import Projector, fold
from projections.table import Table

CLEARED_ROWS = 10_000
COMPARE_TIMEOUT_SECONDS = 600
MOST_DIFFERENCES = 20  # of one table and shard

OnPage = Callable[[int, int], None]  # shard, position reached


class Difference(NamedTuple):
    """A row that only one side has: `live` is what is served, else what a replay gives."""

    table: str
    shard: int
    position: int
    is_live: bool
    row: str


class RebuildUnfinished(Exception):
    """A rebuild of this projection began and did not end: run it again."""


def rebuild(projector: type[Projector]) -> None:
    """Empty the projection and fold it again from event 1; readers see it grow meanwhile.

    A rebuild that was interrupted is run again from the start; nobody follows until then.
    """
    checkpoints.ensure([projector])
    checkpoints.close(projector)
    for table in projector.tables:
        while _clear(table):
            pass
    checkpoints.reopen(projector)
    catch_up([projector])


def differences(projector: type[Projector], on_page: OnPage | None = None) -> list[Difference]:
    """Fold the book from event 1 beside the live rows and return where they differ (I10).

    A shard at a time, up to its live checkpoint, which is locked only to fold the last page and
    to compare. At most MOST_DIFFERENCES a table and shard. Raises RebuildUnfinished.
    """
    checkpoints.ensure([projector])
    found: list[Difference] = []
    with _shadows(projector):
        for shard, _, state in sorted(checkpoints.standing([projector])):
            if state == "rebuilding":
                raise RebuildUnfinished(f"{projector.name}: {RebuildUnfinished.__doc__}")
            found += _differences_of_shard(projector, shard, on_page)
    return found


@contextmanager
def _shadows(projector: type[Projector]) -> Iterator[None]:
    """Let the projector's tables be empty temporary ones, in this session and inside the block.

    A temporary table hides the one of the same name, so the projector's own code writes to it.
    """
    names = [table.name for table in projector.tables]
    try:
        with connection.cursor() as cursor:
            for name in names:
                cursor.execute(f"create temporary table {name} (like public.{name} including all)")
        yield
    finally:
        with connection.cursor() as cursor:
            for name in names:
                cursor.execute(f"drop table if exists pg_temp.{name}")


def _differences_of_shard(
    projector: type[Projector], shard: int, on_page: OnPage | None
) -> list[Difference]:
    position = 0
    while True:
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            live = checkpoints.position_locked(cursor, projector, shard)
            if live - position <= PAGE_LIMIT:
                _replay(cursor, projector, Work(shard, position, live, ()))
                return _compare(cursor, projector, shard, live)
        while live - position > PAGE_LIMIT:
            with transaction.atomic(durable=True), connection.cursor() as cursor:
                position = _replay(cursor, projector, Work(shard, position, live, ()))
            if on_page is not None:
                on_page(shard, position)


def _replay(cursor: CursorWrapper, projector: type[Projector], work: Work) -> int:
    """Fold at most one page of what is between `work.position` and `work.head`; return its end."""
    limit = min(PAGE_LIMIT, work.head - work.position)
    if limit == 0:
        return work.position
    page = read_page(work, limit)
    fold(projector, page, cursor)
    return page.rows[-1].position


def _compare(
    cursor: CursorWrapper, projector: type[Projector], shard: int, position: int
) -> list[Difference]:
    cursor.execute(f"set local statement_timeout = '{COMPARE_TIMEOUT_SECONDS}s'")
    found = []
    for table in projector.tables:
        for is_live in (True, False):
            ours, theirs = ("public", "pg_temp") if is_live else ("pg_temp", "public")
            cursor.execute(
                "select x::text from ("  # noqa: S608 constants
                f"select {table.columns} from {ours}.{table.name} where shard = %(shard)s"
                f" except all"
                f" select {table.columns} from {theirs}.{table.name} where shard = %(shard)s"
                ") as x order by 1 limit %(limit)s",
                {"shard": shard, "limit": MOST_DIFFERENCES},
            )
            found += [
                Difference(table.name, shard, position, is_live, text)
                for (text,) in cursor.fetchall()
            ]
        if position:
            cursor.execute(f"truncate pg_temp.{table.name}")
    return found


def _clear(table: Table[Any]) -> bool:
    """Delete some rows of `table`, in a short transaction; return whether there were any."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"delete from {table.name} where ctid = any("  # noqa: S608 constants
            f"array(select ctid from {table.name} limit %s))",
            [CLEARED_ROWS],
        )
        return bool(cursor.rowcount > 0)
