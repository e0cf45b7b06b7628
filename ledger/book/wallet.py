"""A person's tokens, explained by the entries that made them: one statement, one snapshot."""

from datetime import datetime
from typing import NamedTuple

from django.db import connection

MOST_HOLDS = 100

_EXPLAIN = """
with line as (
    select e.account, e.colour, e.amount, v.stream, v.recorded_at,
        split_part(v.movement_key, ':', 2) as verb
    from entry as e join event as v on v.shard = e.shard and v.position = e.position
    where e.account in (%(available)s, %(held)s)
), hold as (
    select stream, sum(amount)::bigint as amount, min(recorded_at) as since,
        row_number() over (order by min(recorded_at) desc, stream) as place
    from line where account = %(held)s group by stream having sum(amount) <> 0
)
select 'colour', colour, sum(amount)::bigint, null::timestamptz
from line where account = %(available)s group by colour having sum(amount) <> 0
union all
select 'movement', verb, sum(amount)::bigint, null
from line where account = %(available)s group by verb
union all
select 'hold', stream, amount, since from hold where place <= %(most)s
union all
select 'more', count(*)::text, sum(amount)::bigint, null
from hold where place > %(most)s having count(*) > 0
"""


class Hold(NamedTuple):
    """Tokens that are set aside for one job, named by its stream."""

    stream: str
    amount: int
    since: datetime


class Wallet(NamedTuple):
    """What a user has, by colour; the sums by verb that made it; the newest open holds.

    `more_holds` and `more_held` count and sum the open holds beyond MOST_HOLDS.
    """

    colours: dict[str, int]
    movements: dict[str, int]
    holds: list[Hold]
    more_holds: int = 0
    more_held: int = 0

    @property
    def held(self) -> int:
        """All that is set aside."""
        return sum(hold.amount for hold in self.holds) + self.more_held


def explained(*, available: str, held: str) -> Wallet:
    """Return the wallet that these two accounts make, folded from every entry of them."""
    names = {"available": available, "held": held}
    with connection.cursor() as cursor:
        cursor.execute(_EXPLAIN, names | {"most": MOST_HOLDS})
        rows = cursor.fetchall()
    found = {
        kind: [row[1:] for row in rows if row[0] == kind]
        for kind in ("colour", "movement", "hold", "more")
    }
    more_holds, more_held = next(((int(n), sum_) for n, sum_, _ in found["more"]), (0, 0))
    return Wallet(
        colours={colour: amount for colour, amount, _ in found["colour"]},
        movements={verb: amount for verb, amount, _ in sorted(found["movement"])},
        holds=[Hold(*row) for row in sorted(found["hold"], key=lambda row: row[2], reverse=True)],
        more_holds=more_holds,
        more_held=more_held,
    )
