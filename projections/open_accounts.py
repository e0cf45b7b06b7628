"""Open accounts: pending earnings and the platform's own, which no append locks (design 5)."""

from collections import Counter
from dataclasses import dataclass

from django.db import connection
from django.db.backends.utils import CursorWrapper

from ledger.book.rows import Row
from ledger.domain.money import is_guarded
from projections.projector import Movement, Projector
from projections.table import Table


@dataclass(slots=True)
class OpenAccount:
    """What the events of `shard` brought into `account`, in tokens of `colour`."""

    shard: int
    account: str
    colour: str
    amount: int


OPEN_ACCOUNT = Table("open_account", OpenAccount, key=("shard", "account", "colour"))


class OpenAccountsProjector(Projector):
    """Adds up the entries of open accounts."""

    name = "open_accounts"
    tables = (OPEN_ACCOUNT,)

    def __init__(self, cursor: CursorWrapper, shard: int) -> None:
        super().__init__(cursor, shard)
        self.sums: Counter[tuple[str, str]] = Counter()

    def on_movement(self, row: Row, entries: Movement) -> None:
        """Add the entries of accounts that are not guarded."""
        for account, colour, amount in entries:
            if not is_guarded(account):
                self.sums[account, colour] += amount

    def finish(self) -> None:
        """Add the sums of the page to the rows."""
        OPEN_ACCOUNT.add(
            self.cursor,
            [OpenAccount(self.shard, *key, amount) for key, amount in self.sums.items()],
        )


# The fold and the entries after it, in one snapshot. The concatenation keeps the planner from
# walking all entries of a famous artist: the few after the checkpoints are found by position.
_BALANCE = """
select colour, sum(amount)::bigint
from (
    select colour, amount from open_account where account = %(account)s
    union all
    select e.colour, e.amount
    from projection_checkpoint as c
    join entry as e on e.shard = c.shard and e.position > c.position
    where c.projection = %(projection)s and c.version = %(version)s
        and e.account || '' = %(account)s
) as lines
group by colour
having sum(amount) <> 0
"""


def open_balance(account: str) -> dict[str, int]:
    """Return the exact tokens of an open account by colour, without the colours at zero."""
    with connection.cursor() as cursor:
        cursor.execute(
            _BALANCE,
            {
                "account": account,
                "projection": OpenAccountsProjector.name,
                "version": OpenAccountsProjector.version,
            },
        )
        return dict(cursor.fetchall())
