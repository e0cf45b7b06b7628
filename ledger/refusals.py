"""How often commands were refused, by code, over all processes; the door counts, a monitor reads.

A count is a help and no promise: one that cannot be written is lost, and never spoils an answer.
"""

from collections import Counter
from collections.abc import Iterable

import structlog
from django.db import DatabaseError, InterfaceError, connection

_ADD = """
insert into refusal_count (code, refusals)
select * from unnest(%s::text[], %s::bigint[])
on conflict (code) do update set refusals = refusal_count.refusals + excluded.refusals
"""
log = structlog.get_logger(__name__)


def count(codes: Iterable[str]) -> None:
    """Count refusals; nothing is asked of the database where there are none."""
    counts = sorted(Counter(codes).items())  # always the same order: no deadlock
    if not counts:
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute(_ADD, [list(column) for column in zip(*counts, strict=True)])
    except (DatabaseError, InterfaceError) as error:
        connection.close()
        log.warning("refusals_not_counted", cause=type(error).__name__)


def counted() -> dict[str, int]:
    """Return how often each code was refused since the server's last crash."""
    with connection.cursor() as cursor:
        cursor.execute("select code, refusals from refusal_count")
        return dict(cursor.fetchall())
