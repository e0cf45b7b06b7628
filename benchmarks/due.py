"""What the timers find in one database: `python -m benchmarks.due fill ON_RECORD DUE | find`.

Fills the projection of generations by set; then looks for what is due batch by batch, as the
timers do, and says as JSON what that took. What a batch found counts as done before the next one.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import django

django.setup()

from django.db import connection  # noqa: E402 -- needs Django's settings

from projections import due  # noqa: E402

# A fifth of what is due is due in each of five ways. The rest is done, but for one in a hundred,
# which waits, or is not cleared, and is due tomorrow.
_FILL = """
insert into generation (
    shard, id, user_id, style_id, task_id, status, progress, version, attempts,
    is_cancel_requested, quote, held, captured, released, refunded, start_by_at, deadline_at,
    leased_until_at, retry_at, created_at, updated_at, started_at, artist_id, size, steps, seed,
    model_key, model_sha256, fee_bps, clears_at, cleared_at
)
select n %% 16, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), state,
    0, 3, 1, false, 100, 100, captured, 0, 0,
    case when what = 'start' then at else later end,
    case when what = 'deadline' then at else later end,
    case when what = 'lease' then at when state = 'processing' then later end,
    case when what = 'retry' then at when state = 'retrying' then later end,
    now(), now(), case when what in ('lease', 'deadline') then now() end, gen_random_uuid(),
    '512x512', 50, 42, 'models/1', repeat('ab', 32), 1000,
    case when what = 'clearing' then at when captured > 0 then later end,
    case when what is null and n %% 100 > 0 then now() end
from (
    select n, what, now() - make_interval(secs => 86400 + n) as at,
        now() + interval '1 day' as later,
        coalesce(
            (array['retrying', 'processing', 'queued', 'processing', 'completed'])[kind + 1],
            case when n %% 200 = 0 then 'queued' else 'completed' end
        ) as state,
        case when kind = 4 or kind is null and n %% 200 > 0 then 100 else 0 end as captured
    from (
        select n, kind, (array['retry', 'lease', 'start', 'deadline', 'clearing'])[kind + 1] as what
        from (
            select n, case when n <= %(due)s then n %% 5 end as kind
            from generate_series(1, %(on_record)s) as n
        ) as numbered
    ) as named
) as told
"""
_DONE = {
    "retries": "status = 'canceled', retry_at = null",
    "leases": "status = 'canceled', leased_until_at = null",
    "starts": "status = 'canceled'",
    "deadlines": "status = 'canceled', leased_until_at = null",
    "clearing": "cleared_at = now()",
}
FINDS: dict[str, Callable[[], list[Any]]] = {
    "retries": lambda: due.retries("generation"),
    "leases": lambda: due.lost_leases("generation"),
    "starts": lambda: due.unstarted("generation"),
    "deadlines": lambda: due.overdue("generation"),
    "clearing": due.uncleared,
}


class Found(NamedTuple):
    """What the passes found, in how many batches, and how long finding took."""

    found: int
    batches: int
    seconds: float
    longest_seconds: float


def fill(on_record: int, due_jobs: int) -> None:
    """Put so many generations on record, of which so many are due, and let the planner know."""
    with connection.cursor() as cursor:
        cursor.execute("set statement_timeout = 0")
        cursor.execute(_FILL, {"on_record": on_record, "due": due_jobs})


def find_all() -> Found:
    """Find all that is due, batch by batch."""
    times: list[float] = []
    count = 0
    for name, find in FINDS.items():
        while True:
            began = time.perf_counter()
            batch = find()
            times.append(time.perf_counter() - began)
            if not batch:
                break
            count += len(batch)
            ids = [getattr(one, "id", one) for one in batch]
            with connection.cursor() as cursor:
                cursor.execute(f"update generation set {_DONE[name]} where id = any(%s)", [ids])
    return Found(count, len(times), sum(times), max(times))


def plans() -> dict[str, str]:
    """Return how PostgreSQL looks for each kind of due thing, as EXPLAIN tells it."""
    told: dict[str, str] = {}
    for name, find in FINDS.items():

        def explained(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            answer = execute(sql, params, many, context)
            if not sql.startswith("explain"):
                with connection.cursor() as cursor:
                    cursor.execute(f"explain {sql}", params)
                    told[name] = "\n".join(line for (line,) in cursor.fetchall())  # noqa: B023
            return answer

        with connection.execute_wrapper(explained):
            find()
    return told


def main(what: str, *sizes: str) -> None:
    """Fill the database, or find everything in it."""
    if what == "fill":
        fill(*map(int, sizes))
    else:
        print(json.dumps({"plans": plans(), **find_all()._asdict()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
