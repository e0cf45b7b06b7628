"""The follow loop on a real book: order, sharing, poison, outages, crashes."""

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg2
import pytest
from django.core.management import call_command
from django.db import DataError, OperationalError, connection, transaction

from ledger.domain.events import PersonErased, PurchaseExpired
from ledger.domain.money import PAID, available
from projections import checkpoints
from projections.catalogue import PROJECTORS
from projections.checkpoints import CheckpointMoved, Work
from projections.follow import advance, catch_up, follow, go_round, wait_until
from projections.purchases import PurchasesProjector
from projections.rebuild import differences, rebuild
from projections.statement import StatementProjector
from tests.databases import Database
from tests.integration.projections.pen import Fact, Pen, contents, granted, person, transferred
from tests.integration.projections.stories import GenerationStory, PurchaseStory, StyleStory

ANNE, BERT = person(1), person(2)
TABLES = [table.name for projector in PROJECTORS for table in projector.tables]
NAMES = tuple(projector.name for projector in PROJECTORS)

pytestmark = pytest.mark.usefixtures("database")


class Killed(BaseException):
    """The process died here."""


def small_book(pen: Pen) -> None:
    """Write events of several shards that touch each other's accounts."""
    people = [person(byte) for byte in range(5)]
    for one in people:
        pen.write(granted(one, 100, PAID), granted(one, 10))
    chance = random.Random(3)
    for _ in range(20):
        pen.write(transferred(*chance.sample(people, 2), chance.randint(1, 5)))
    for artist in people[:2]:
        pen.write(granted(artist, 100))
        style = StyleStory(artist)
        pen.write(*style.whole())
        pen.write(style.image_removed(style.images[0]))
        for user in people:
            pen.write(*whole_generation(user, style), *failed_generation(user, style))
    purchase = PurchaseStory(ANNE)
    pen.write(purchase.started(), *purchase.paid())
    pen.write(Fact(f"account-{ANNE}", PersonErased(user_id=ANNE, reason="asked")))


def whole_generation(user: UUID, style: StyleStory) -> list[Fact]:
    """Return a generation from its request to its refund."""
    story = GenerationStory(user, style.artist, style.id)
    return [
        granted(user, story.price),
        *story.requested(),
        story.started(),
        story.progressed(50),
        *story.completed(),
        story.refunded(),
    ]


def failed_generation(user: UUID, style: StyleStory) -> list[Fact]:
    """Return a generation whose hold was released."""
    story = GenerationStory(user, style.artist, style.id)
    return [granted(user, story.price), *story.requested(), *story.failed()]


def fold_shuffled(chance: random.Random) -> None:
    """Fold everything, a few events at a time, in random order of shards and projectors."""
    checkpoints.ensure(PROJECTORS)
    while works := checkpoints.behind(PROJECTORS):
        work = chance.choice(works)
        names = chance.sample(work.projectors, chance.randint(1, len(work.projectors)))
        mine = [projector for projector in PROJECTORS if projector.name in names]
        advance(work, mine, limit=chance.randint(1, 7))


def states() -> dict[tuple[str, int], str]:
    return {(lag.projection, lag.shard): lag.state for lag in checkpoints.lags(PROJECTORS)}


def test_every_interleaving_of_shards_gives_the_same_rows() -> None:
    """Design section 11."""
    small_book(Pen())
    catch_up()
    expected = contents(TABLES)

    for seed in range(5):
        for projector in PROJECTORS:
            checkpoints.close(projector)
        empty(TABLES)
        for projector in PROJECTORS:
            checkpoints.reopen(projector)
        fold_shuffled(random.Random(seed))
        assert contents(TABLES) == expected


def empty(tables: list[str]) -> None:
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"delete from {table}")


def test_a_rebuild_gives_the_live_rows() -> None:
    """G11, I10."""
    small_book(Pen())
    fold_shuffled(random.Random(1))
    live = contents(TABLES)

    for projector in PROJECTORS:
        assert differences(projector) == []
        rebuild(projector)

    assert contents(TABLES) == live


def test_a_page_takes_few_statements_whatever_it_holds() -> None:
    pen = Pen()
    style = StyleStory(ANNE)
    pen.write(granted(ANNE, 100), *style.whole())
    purchase = PurchaseStory(ANNE)
    pen.write(purchase.started(), *purchase.paid())
    counts = []
    for repeated in (1, 30):
        catch_up()
        for _ in range(repeated):
            pen.write(*whole_generation(ANNE, style), *failed_generation(ANNE, style))
            pen.write(style.image(), style.image_removed(style.images[0]))
            pen.write(purchase.told(PurchaseExpired(user_id=ANNE)))
        (work,) = checkpoints.behind(PROJECTORS)
        counted: list[str] = []
        with connection.execute_wrapper(counting(counted)):
            assert advance(work, PROJECTORS) == 16 * repeated
        counts.append(len(counted))

    # Lock, page, move; open accounts 1, statement 2, styles 4, use 1, generations 1, purchases 2,
    # events by type 1.
    assert counts == [15, 15]


def counting(into: list[str]) -> Callable[..., Any]:
    def wrapper(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        into.append(str(sql))
        return execute(sql, params, many, context)

    return wrapper


def killing_at(number: int, *, after: bool) -> Callable[..., Any]:
    """Return a wrapper that dies before or after the statement `number`."""
    seen: list[str] = []

    def wrapper(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        seen.append(str(sql))
        if len(seen) == number and not after:
            raise Killed
        result = execute(sql, params, many, context)
        if len(seen) == number and after:
            raise Killed
        return result

    return wrapper


def dies_at(number: int, *, after: bool) -> bool:
    """Catch up and die at a statement; return whether it came to that."""
    try:
        with connection.execute_wrapper(killing_at(number, after=after)):
            catch_up()
    except Killed:
        connection.close()
        for projector in PROJECTORS:
            assert differences(projector) == []
        return True
    return False


def test_a_crash_between_any_two_steps_leaves_rows_that_equal_a_replay() -> None:
    """G11, G12."""
    pen = Pen()
    pen.write(granted(ANNE, 100, PAID))
    catch_up()
    for number in range(1, 100):
        pen.write(transferred(ANNE, BERT, 1), granted(ANNE, 1))
        if not any([dies_at(number, after=False), dies_at(number, after=True)]):
            break
    assert number > 8  # as many statements as one page takes, and more
    assert all(lag.positions == 0 for lag in checkpoints.lags(PROJECTORS))


def test_two_runners_share_a_shard_without_folding_twice() -> None:
    small_book(Pen())
    checkpoints.ensure(PROJECTORS)
    threads = [threading.Thread(target=run_and_close) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    catch_up()

    for projector in PROJECTORS:
        assert differences(projector) == []


def run_and_close() -> None:
    try:
        for _ in range(20):
            go_round()
    finally:
        connection.close()


def test_a_checkpoint_that_another_runner_holds_is_skipped(database: Database) -> None:
    pen = Pen()
    pen.write(granted(ANNE, 1))
    checkpoints.ensure(PROJECTORS)
    (work,) = checkpoints.behind(PROJECTORS)

    with psycopg2.connect(database.owner_url) as other, other.cursor() as cursor:
        cursor.execute(
            "select from projection_checkpoint where projection = 'statement' for update"
        )
        assert advance(work, PROJECTORS) == 1
        assert advance(work, [StatementProjector]) == 0
    other.close()

    assert checkpoints.behind(PROJECTORS) == [Work(1, 0, 1, ("statement",))]


def test_a_checkpoint_that_moved_since_it_was_read_is_skipped() -> None:
    pen = Pen()
    pen.write(granted(ANNE, 1))
    checkpoints.ensure(PROJECTORS)
    (work,) = checkpoints.behind(PROJECTORS)
    catch_up()
    before = contents(TABLES)

    assert advance(work, PROJECTORS) == 0
    assert contents(TABLES) == before


def test_a_checkpoint_is_moved_only_from_where_it_was() -> None:
    """The compare-and-set under the lock: one that is elsewhere rolls the page back."""
    checkpoints.ensure(PROJECTORS)
    with (
        pytest.raises(CheckpointMoved),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        checkpoints.move(cursor, Work(1, 5, 9, NAMES), PROJECTORS, 6)


@pytest.mark.parametrize("data", ['{"what":1}', f'{{"user_id":"{ANNE}"}}'])
def test_a_poison_event_stops_its_shard_just_before_it_and_no_other(data: str) -> None:
    """One that no shape fits, and one of a purchase that never began."""
    pen = Pen()
    pen.write(granted(ANNE, 1))
    pen.write(PurchaseStory(ANNE).started())
    poison = pen.write_raw(f"purchase-{person(1, 9)}", "PurchaseExpired", data)
    pen.write(granted(ANNE, 3))
    pen.write(granted(BERT, 4))
    catch_up()
    catch_up()

    lags = {(lag.projection, lag.shard): lag for lag in checkpoints.lags(PROJECTORS)}
    stopped = lags.pop(("purchases", 1))
    assert (stopped.state, stopped.positions) == ("stopped", 2)
    assert str(stopped.error).startswith(f"{poison[0]}-{poison[1]}: ")
    assert stopped.seconds > 0
    # What reads no such event goes on, and so do the other shards.
    assert {(lag.state, lag.positions, lag.seconds) for lag in lags.values()} == {
        ("following", 0, 0)
    }
    assert differences(PurchasesProjector) == []


def failing(error: Exception, *, when: Callable[[str], bool]) -> Callable[..., Any]:
    """Return a wrapper in which the statements that `when` names fail."""

    def wrapper(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        if when(f"{sql} {params}"):
            raise error
        return execute(sql, params, many, context)

    return wrapper


def writes_two_rows(statement: str) -> bool:
    return "statement_row" in statement and statement.count('"line"') > 1


def writes_a_row(statement: str) -> bool:
    return "statement_row" in statement and statement.count('"line"') == 1


def test_a_page_that_fails_only_as_a_whole_is_folded_event_by_event() -> None:
    pen = Pen()
    for amount in range(1, 4):
        pen.write(granted(ANNE, amount))
    checkpoints.ensure(PROJECTORS)

    with connection.execute_wrapper(failing(DataError("too many"), when=writes_two_rows)):
        assert go_round()

    assert {lag.positions for lag in checkpoints.lags(PROJECTORS)} == {0}
    assert differences(StatementProjector) == []


def test_an_outage_stops_no_shard() -> None:
    """What the database cannot do now is tried again; only what nobody can fold is stopped."""
    pen = Pen()
    pen.write(granted(ANNE, 1))
    pen.write(granted(ANNE, 2))
    checkpoints.ensure(PROJECTORS)
    outage = OperationalError("the disk is full")

    with (
        pytest.raises(OperationalError),
        connection.execute_wrapper(failing(outage, when=writes_two_rows)),
    ):
        go_round()
    with (  # in the middle of going event by event
        pytest.raises(OperationalError),
        connection.execute_wrapper(failing(DataError("too many"), when=writes_two_rows)),
        connection.execute_wrapper(failing(outage, when=writes_a_row)),
    ):
        go_round()

    assert set(states().values()) == {"following"}
    catch_up()
    assert differences(StatementProjector) == []


def test_a_runner_that_is_told_to_stop_begins_no_other_page() -> None:
    Pen().write(granted(ANNE, 1))
    checkpoints.ensure(PROJECTORS)
    stop = threading.Event()
    stop.set()

    assert not go_round(stop=stop)
    follow(stop)

    assert contents(["statement_row"]) == {"statement_row": []}


def test_a_failure_at_a_place_that_another_runner_has_passed_stops_nothing() -> None:
    Pen().write(granted(ANNE, 1))
    checkpoints.ensure(PROJECTORS)

    def passes_and_fails(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        if "statement_row" in str(sql):
            raise DataError("poison")
        if "set state = 'stopped'" in str(sql):
            connection.execute_wrappers.clear()
            catch_up()
        return execute(sql, params, many, context)

    connection.execute_wrappers.append(passes_and_fails)
    go_round()

    assert set(states().values()) == {"following"}


def test_what_another_runner_took_over_after_a_failure_is_left_to_it(database: Database) -> None:
    Pen().write(granted(ANNE, 1))
    checkpoints.ensure(PROJECTORS)
    other = psycopg2.connect(database.owner_url)
    failed: list[bool] = []

    def fails_and_loses(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        if "into statement_row" in str(sql):
            failed.append(True)
            raise DataError("poison")
        if len(failed) == 2:  # as a whole, and alone
            other.cursor().execute("select from projection_checkpoint for update")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(fails_and_loses):
        go_round()
    other.close()

    assert set(states().values()) == {"following"}


def test_an_event_type_that_nobody_knows_stops_everyone() -> None:
    """It may have been written by a newer release, and concern anybody."""
    Pen().write_raw(f"grant-{ANNE}", "TokensConjured")
    catch_up()

    assert {key for key, state in states().items() if state == "stopped"} == {
        (name, 1) for name in NAMES
    }


def test_a_stopped_shard_goes_on_when_it_is_told_to(capsys: pytest.CaptureFixture[str]) -> None:
    pen = Pen()
    pen.write(granted(ANNE, 1))
    checkpoints.ensure(PROJECTORS)
    assert checkpoints.stop(StatementProjector, 1, 0, "the disk was full")
    assert not checkpoints.stop(StatementProjector, 1, 0, "again")
    catch_up()
    assert states()["statement", 1] == "stopped"

    call_command("projections", once=True, resume=True)

    assert "1 stopped shards go on." in capsys.readouterr().out
    assert differences(StatementProjector) == []
    assert all(lag.positions == 0 for lag in checkpoints.lags(PROJECTORS))


@contextmanager
def owner(database: Database) -> Iterator[Any]:
    """Yield a cursor of a superuser who switches the book's triggers off, as an intruder would."""
    intruder = psycopg2.connect(database.owner_url)
    intruder.autocommit = True
    with intruder.cursor() as cursor:
        cursor.execute("alter table event disable trigger all")
        yield cursor
        cursor.execute("alter table event enable always trigger event_never_changes")
    intruder.close()


def test_a_hole_stops_the_shard(database: Database) -> None:
    """G10."""
    pen = Pen()
    for amount in range(1, 5):
        pen.write(granted(ANNE, amount))
    with owner(database) as cursor:
        cursor.execute("delete from event where position = 3")
    catch_up()

    lag = next(lag for lag in checkpoints.lags(PROJECTORS) if lag.state == "stopped")
    assert (lag.shard, lag.positions) == (1, 2)
    assert "A hole at 1-3" in str(lag.error)


def test_a_cut_tail_stops_the_shard(database: Database) -> None:
    """G10: the head promises events that are not there."""
    pen = Pen()
    for amount in range(1, 5):
        pen.write(granted(ANNE, amount))
    with owner(database) as cursor:
        cursor.execute("delete from event where position > 2")
    catch_up()

    assert {lag.positions for lag in checkpoints.lags(PROJECTORS) if lag.state == "stopped"} == {2}


def test_a_head_that_went_back_stops_the_shard(database: Database) -> None:
    """G10: what was read is not in the book any more."""
    pen = Pen()
    pen.write(granted(ANNE, 1))
    pen.write(granted(ANNE, 2))
    catch_up()
    with owner(database) as cursor:
        cursor.execute("delete from event where position = 2")
        cursor.execute("update head set position = 1 where shard = 1")
    catch_up()

    assert [key for key, state in states().items() if state == "stopped"] == [
        (name, 1) for name in sorted(NAMES)
    ]


def test_a_reader_waits_until_its_write_is_projected() -> None:
    pen = Pen()
    checkpoints.ensure(PROJECTORS)
    place = pen.write(granted(ANNE, 1))

    assert not wait_until([place], timeout_seconds=0.05)
    runner = threading.Thread(target=run_and_close)
    runner.start()
    assert wait_until([place, (2, 0)], timeout_seconds=5)
    assert wait_until([place], ["statement"], timeout_seconds=0)
    assert wait_until([], timeout_seconds=0)
    runner.join(10)


def test_nobody_waits_for_what_cannot_come() -> None:
    pen = Pen()
    place = pen.write(granted(ANNE, 1))
    checkpoints.ensure(PROJECTORS)
    began = time.monotonic()

    assert not wait_until([(place[0], 2)], timeout_seconds=30)  # past the head
    assert not wait_until([(999, 1)], timeout_seconds=30)  # no such shard
    checkpoints.stop(StatementProjector, 1, 0, "stopped by the test")
    assert not wait_until([place], ["statement"], timeout_seconds=30)
    assert time.monotonic() - began < 5


def test_following_survives_the_loss_of_the_database_session(database: Database) -> None:
    """G12."""
    pen = Pen()
    stop = threading.Event()
    runner = threading.Thread(target=follow_and_close, args=[stop])
    runner.start()
    try:
        assert eventually(lambda: wait_until([pen.write(granted(ANNE, 1))]))
        with psycopg2.connect(database.owner_url) as other, other.cursor() as cursor:
            cursor.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
            )
        other.close()
        connection.close()
        assert eventually(lambda: wait_until([pen.write(granted(ANNE, 1))]))
    finally:
        stop.set()
        runner.join(10)
    assert not runner.is_alive()


def follow_and_close(stop: threading.Event) -> None:
    try:
        follow(stop)
    finally:
        connection.close()


def eventually(check: Callable[[], bool], seconds: float = 20) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if check():
            return True
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_follows_and_ends_cleanly_on_a_signal(
    database: Database, number: signal.Signals
) -> None:
    process = subprocess.Popen(
        [sys.executable, "manage.py", "projections"], env=database.env, stderr=subprocess.PIPE
    )
    try:
        place = Pen().write(granted(ANNE, 5))
        assert eventually(lambda: wait_until([place]))
        process.send_signal(number)
        _, errors = process.communicate(timeout=15)
    finally:
        process.kill()
    assert process.returncode == 0
    assert b"Traceback" not in errors
    assert contents(["statement_total"]) == {"statement_total": [f"(1,{available(ANNE)},5)"]}
