"""Statement: each movement of a person's account, newest first, with the balance after it."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import connection
from django.db.backends.utils import CursorWrapper

from ledger.book.rows import Row
from ledger.codec import Recorded
from ledger.domain.events import PersonErased, Sealed, TokensGranted, TokensTransferred
from ledger.domain.money import is_guarded
from projections.projector import Movement, Projector, kind_and_id
from projections.table import Table

MOST_ROWS = 100


@dataclass(slots=True)
class StatementRow:
    """One entry of an account; the memo is sealed by `memo_by`."""

    shard: int
    position: int
    line: int
    account: str
    type: str
    amount: int
    colour: str
    related_kind: str
    related_id: UUID
    created_at: datetime
    memo: str | None = None
    memo_key: UUID | None = None
    memo_by: UUID | None = None


@dataclass(slots=True)
class StatementTotal:
    """The sum of an account's rows of `shard`, all colours together."""

    shard: int
    account: str
    amount: int


STATEMENT_ROW = Table("statement_row", StatementRow, key=("shard", "position", "line"))
STATEMENT_TOTAL = Table("statement_total", StatementTotal, key=("shard", "account"))


class StatementProjector(Projector):
    """Lists the entries of guarded accounts but `held`: what is held, the job's billing tells."""

    name = "statement"
    tables = (STATEMENT_ROW, STATEMENT_TOTAL)

    def __init__(self, cursor: CursorWrapper, shard: int) -> None:
        super().__init__(cursor, shard)
        self.rows: list[StatementRow] = []
        self.totals: Counter[str] = Counter()
        self.erased: list[UUID] = []

    def on_movement(self, row: Row, entries: Movement) -> None:
        """Note a row for each entry of an account that is shown."""
        kind, identifier = kind_and_id(row.stream)
        for line, (account, colour, amount) in enumerate(entries, start=1):
            if not is_shown(account):
                continue
            self.totals[account] += amount
            self.rows.append(
                StatementRow(
                    shard=row.shard,
                    position=row.position,
                    line=line,
                    account=account,
                    type=_verb(row),
                    amount=amount,
                    colour=colour,
                    related_kind=kind,
                    related_id=identifier,
                    created_at=row.recorded_at,
                )
            )

    def on_tokens_granted(self, recorded: Recorded, event: TokensGranted) -> None:
        """Note the memo."""
        self._note(recorded, event.memo, event.user_id)

    def on_tokens_transferred(self, recorded: Recorded, event: TokensTransferred) -> None:
        """Note the sender's memo."""
        self._note(recorded, event.memo, event.user_id)

    def _note(self, recorded: Recorded, memo: Sealed | None, by: UUID) -> None:
        """Write the memo to the rows of the event, which are the last ones."""
        if memo is None:
            return
        for row in reversed(self.rows):
            if row.position != recorded.position:
                break
            row.memo, row.memo_key, row.memo_by = memo.sealed, memo.key, by

    def on_person_erased(self, recorded: Recorded, event: PersonErased) -> None:
        """Remember whose memos are to be blanked (G14); all of them are in this shard."""
        self.erased.append(event.user_id)

    def finish(self) -> None:
        """Store the rows and their sums; then blank memos."""
        STATEMENT_ROW.insert(self.cursor, self.rows)
        STATEMENT_TOTAL.add(
            self.cursor,
            [StatementTotal(self.shard, *total) for total in self.totals.items()],
        )
        if self.erased:
            self.cursor.execute(
                "update statement_row set memo = null, memo_key = null"
                " where shard = %s and memo_by = any(%s) and memo is not null",
                [self.shard, self.erased],
            )


def is_shown(account: str) -> bool:
    """Return whether a statement is kept of `account`."""
    return is_guarded(account) and not account.endswith("/held")


def _verb(row: Row) -> str:
    """Return the verb of the movement key `{stream}:{verb}` or `{stream}:expire:{colour}`."""
    return str(row.movement_key).split(":")[1]


class Place(NamedTuple):
    """Where a row stands in an account's order: a page goes on before it."""

    created_at: datetime
    shard: int
    position: int
    line: int


class Transaction(NamedTuple):
    """A row of the statement with the account's tokens after it, all colours together."""

    row: StatementRow
    balance_after: int

    @property
    def place(self) -> Place:
        """The cursor of the rows before this one."""
        row = self.row
        return Place(row.created_at, row.shard, row.position, row.line)


_PAGE = f"""
with page as (
    select {STATEMENT_ROW.columns} from statement_row
    where account = %(account)s
        and (created_at, shard, position, line) < (%(at)s, %(shard)s, %(position)s, %(line)s)
    order by created_at desc, shard desc, position desc, line desc
    limit %(limit)s
), newest as (
    select * from page order by created_at desc, shard desc, position desc, line desc limit 1
)
select
    (select coalesce(sum(amount), 0)::bigint from statement_total where account = %(account)s)
    - (
        select coalesce(sum(r.amount), 0)::bigint from statement_row as r, newest as n
        where r.account = %(account)s and (r.created_at, r.shard, r.position, r.line)
            > (n.created_at, n.shard, n.position, n.line)
    ) as balance,
    page.*
from page
order by created_at desc, shard desc, position desc, line desc
"""  # noqa: S608 constants
_END: dict[str, datetime | int | str] = {"at": "infinity", "shard": 0, "position": 0, "line": 0}


def transactions(
    account: str, *, limit: int = MOST_ROWS, before: Place | None = None
) -> list[Transaction]:
    """Return up to `limit` rows of `account`, newest first, each with the balance after it.

    Shards have no common order, so `balance_after` sums the rows up to this one in the order
    (created_at, shard, position, line). Whoever moves a guarded account holds its balance row
    from before the book takes the time until the commit; so that order is the one in which the
    movements happened, as long as the server's clock does not step back, and it is the same for
    every interleaving of shards either way. A row that a slower shard's projection has still to
    bring in shifts the balances after it, as it shifts the balance itself.
    """
    place: dict[str, datetime | int | str] = _END
    if before is not None:
        at, shard, position, line = before
        place = {"at": at, "shard": shard, "position": position, "line": line}
    with connection.cursor() as cursor:
        cursor.execute(_PAGE, place | {"account": account, "limit": min(limit, MOST_ROWS)})
        found = cursor.fetchall()
    shown: list[Transaction] = []
    balance = found[0][0] if found else 0
    for values in found:
        row = StatementRow(*values[1:])
        shown.append(Transaction(row, balance))
        balance -= row.amount
    return shown
