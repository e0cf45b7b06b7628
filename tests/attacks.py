"""What somebody does who has the database's superuser: nothing in the database stops that.

The triggers are disabled for one statement and enabled again, so that nothing is left to see.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2

from audit.chain import Chain, ChainRow, time_text
from tests.databases import Database

NEVER_CHANGING = ("book", "event", "entry", "outcome")
TABLES = (*NEVER_CHANGING, "head", "balance")


class Attacker:
    """A superuser of one test's database who knows the code."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.is_disarmed = False

    def run(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run `statement` with the triggers of the never-changing tables disabled."""
        with self.disarmed(), self.connection.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            rows: list[tuple[Any, ...]] = cursor.fetchall() if cursor.description else []
            self.connection.commit()
        return rows

    @contextmanager
    def disarmed(self) -> Iterator[None]:
        """Disable the triggers, for all that is run inside, and enable them again."""
        if self.is_disarmed:
            yield
            return
        self._alter_triggers("disable")
        self.is_disarmed = True
        try:
            yield
        finally:
            self.connection.rollback()
            self.is_disarmed = False
            self._alter_triggers("enable always")

    def _alter_triggers(self, how: str) -> None:
        with self.connection, self.connection.cursor() as cursor:
            for table in NEVER_CHANGING:
                cursor.execute(f"alter table {table} {how} trigger {table}_never_changes")

    @contextmanager
    def undoing(self) -> Iterator[None]:
        """Put every table of the book back afterwards as it was before."""
        columns = {table: self._columns(table) for table in TABLES}
        with self.disarmed():
            for table in TABLES:
                self.run(f"create table saved_{table} as table {table}")
        yield
        self.connection.rollback()
        with self.disarmed():
            for table, known in columns.items():
                for column in self._columns(table):
                    if column not in known:
                        self.run(f"alter table {table} drop column {column}")
                self.run(f"truncate {table}")
                self.run(f"insert into {table} ({', '.join(known)}) table saved_{table}")
                self.run(f"drop table saved_{table}")

    def _columns(self, table: str) -> list[str]:
        rows = self.ask(
            "select attname from pg_attribute where attrelid = %s::regclass"
            " and attnum > 0 and not attisdropped order by attnum",
            table,
        )
        return [name for (name,) in rows]

    def ask(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query that changes nothing."""
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(query, parameters)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows

    def cut_tail(self, shard: int, after: int, *, head_too: bool) -> None:
        """Remove all past position `after`; with `head_too` make balances and head agree."""
        undo = "select account, colour, -sum(amount) from entry where shard = %s and position > %s"
        for account, colour, amount in self.ask(f"{undo} group by 1, 2", shard, after):
            if head_too:
                self.run(
                    "update balance set amount = amount + %s where account = %s and colour = %s",
                    *(amount, account, colour),
                )
        self.run("delete from entry where shard = %s and position > %s", shard, after)
        self.run("delete from event where shard = %s and position > %s", shard, after)
        if head_too:
            self.run(
                "update head set position = %s,"
                " hash = (select hash from event as e where e.shard = head.shard"
                " and e.position = %s) where shard = %s",
                *(after, after, shard),
            )

    def forge_chain(self, shard: int) -> None:
        """Compute every hash of `shard` anew, and its head: the full rewrite."""
        ((book_id, shards),) = self.ask("select book_id::text, shards from book")
        chain = Chain(book_id=book_id, shard=shard, shards=shards)
        rows = self.ask(
            "select shard::text, position::text, event_id::text, stream, version::text, type,"
            " schema_version::text, data, entries, metadata, movement_key,"
            " occurred_at::text, recorded_at::text"
            " from event where shard = %s order by event.position",
            shard,
        )
        with self.disarmed():
            for row in rows:
                digest = chain.follow(ChainRow._make((*row[:11], *map(time_text, row[11:]))))
                self.run(
                    "update event set hash = %s where shard = %s and position = %s",
                    *(digest, shard, int(row[1])),
                )
        self.run("update head set hash = %s where shard = %s", chain.hash, shard)


@contextmanager
def attacker(database: Database) -> Iterator[Attacker]:
    """Yield somebody with the superuser's login."""
    connection = psycopg2.connect(database.owner_url)
    with connection, connection.cursor() as cursor:
        cursor.execute("set timezone to 'UTC'")
        cursor.execute("set synchronous_commit to off")  # the attack need not survive a crash
    try:
        yield Attacker(connection)
    finally:
        connection.close()
