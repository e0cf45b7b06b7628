"""Who meets whom inside the append: nobody waits for ever, and a twin waits for the first."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
from django.db import connection

from ledger.book import append as append_module
from ledger.book import read
from ledger.book.append import BalanceMoved, Contended, OutcomeKnown, append
from ledger.book.rows import NewEvent, Outcome
from tests import books
from tests.books import person
from tests.databases import Database

USER, OTHER = person(1), person(2)
LOCK_TIMEOUT_SECONDS = 2
WAIT_SECONDS = 30

OUTCOME = Outcome(f"user/{USER}", "k", "f", 200, None, None, None, None)


@pytest.fixture
def first(database: Database) -> Iterator[Any]:
    """Yield the connection of somebody who was here first and has not committed."""
    connection = psycopg2.connect(database.owner_url)
    yield connection
    connection.close()


def begin_append(
    session: Any, *, events: list[NewEvent] | None = None, outcomes: list[Outcome] | None = None
) -> None:
    """Append in a transaction that stays open."""
    rows = [(outcomes or [], len(Outcome._fields)), (events or [], len(NewEvent._fields))]
    columns: list[Any] = [3]
    for values, width in rows:
        columns += [list(column) for column in zip(*values, strict=True)] or [[]] * width
    with session.cursor() as cursor:
        cursor.execute(append_module._APPEND.prepare)
        cursor.execute(append_module._APPEND.execute, columns)


def when_waiting(database: Database, session: Any, act: Any) -> threading.Thread:
    """Run `act` as soon as somebody waits for a lock of `session`."""

    def watch() -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        watcher = psycopg2.connect(database.owner_url)
        watcher.autocommit = True
        with watcher.cursor() as cursor:
            while time.monotonic() < deadline:
                cursor.execute(
                    "select 1 from pg_stat_activity where %s = any(pg_blocking_pids(pid))",
                    [session.info.backend_pid],
                )
                if cursor.fetchone():
                    break
                time.sleep(0.005)
        watcher.close()
        act()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


@pytest.mark.parametrize(
    "statement",
    ["select 1 from head where shard = 3 for update", "select 1 from balance for update"],
)
def test_an_append_waits_for_a_lock_no_longer_than_its_limit(statement: str, first: Any) -> None:
    books.write(books.grant(USER, 10))
    with first.cursor() as cursor:
        cursor.execute(statement)
    started = time.monotonic()

    with pytest.raises(Contended):
        append(shard=3, outcomes=[], events=books.transfer(USER, OTHER, 1))

    assert LOCK_TIMEOUT_SECONDS <= time.monotonic() - started < LOCK_TIMEOUT_SECONDS + WAIT_SECONDS
    first.rollback()
    append(shard=3, outcomes=[], events=books.transfer(USER, OTHER, 1))


def test_a_twin_waits_for_the_first_and_learns_its_outcome(database: Database, first: Any) -> None:
    """G7."""
    begin_append(first, outcomes=[OUTCOME])
    thread = when_waiting(database, first, first.commit)

    with pytest.raises(OutcomeKnown):
        append(shard=3, outcomes=[OUTCOME], events=books.grant(USER, 1))

    thread.join()
    assert read.heads()[3].position == 0


def test_a_twin_takes_over_when_the_first_gives_up(database: Database, first: Any) -> None:
    """G7, G12: a crash before the commit leaves the key free."""
    begin_append(first, outcomes=[OUTCOME], events=books.grant(USER, 1))
    thread = when_waiting(database, first, first.rollback)

    append(shard=3, outcomes=[OUTCOME], events=books.grant(USER, 1))

    thread.join()
    assert read.heads()[3].position == 1


def test_a_number_that_was_rolled_back_is_given_again(first: Any) -> None:
    """G10: no hole after a crash."""
    begin_append(first, events=books.grant(USER, 1))
    first.rollback()

    books.write(books.grant(USER, 1))

    assert [row.position for row in read.page(3, 0)] == [1]


def test_who_waited_for_a_balance_sees_what_is_left_of_it(database: Database, first: Any) -> None:
    """G3: two that would overdraw together."""
    books.write(books.grant(USER, 10))
    begin_append(first, events=books.transfer(USER, OTHER, 10))
    thread = when_waiting(database, first, first.commit)

    with pytest.raises(BalanceMoved):
        append(shard=3, outcomes=[], events=books.transfer(USER, OTHER, 1))

    thread.join()


def test_two_first_credits_of_one_account_both_count(database: Database, first: Any) -> None:
    """The row is not there yet for either: one inserts it, the other adds."""
    begin_append(first, events=books.grant(USER, 10))
    thread = when_waiting(database, first, first.commit)

    append(shard=3, outcomes=[], events=books.grant(USER, 5))

    thread.join()
    with connection.cursor() as cursor:
        cursor.execute("select amount from balance")
        assert cursor.fetchall() == [(15,)]


def test_a_reader_sees_nothing_of_an_append_before_its_commit(first: Any) -> None:
    """G10: what was read stays the beginning of what is read later."""
    books.write(books.draft(USER))
    begin_append(first, events=books.draft(USER))
    assert [row.position for row in read.page(3, 0)] == [1]

    first.commit()

    assert [row.position for row in read.page(3, 0)] == [1, 2]
