"""`ledger replay`: what comes out of the book from event 1, and what is served."""

import json

import pytest
from django.core.management import CommandError
from django.db import connection

from ledger.book import read
from ledger.book.append import append
from projections.follow import catch_up
from tests import books
from tests.attacks import Attacker
from tests.integration.audit.commands import OTHER, USER, ledger

pytestmark = pytest.mark.usefixtures("filled_book")


def replayed(*arguments: str) -> dict[str, dict[str, int]]:
    code, said = ledger("replay", "--json", *arguments)
    assert code == 0
    balances: dict[str, dict[str, int]] = json.loads(said)["balances"]
    return balances


@pytest.mark.usefixtures("database")
def test_an_empty_book_equals_what_is_served() -> None:
    assert ledger("replay")[0] == 0


def test_a_replay_equals_what_is_served() -> None:
    """I10, I13, G11."""
    code, said = ledger("replay")

    assert code == 0
    assert said.splitlines()[-1].startswith("Replayed 36 events")
    assert "user/*/available                 paid                            1,200" in said


def test_the_sums_are_told_by_kind_of_account() -> None:
    """I2: they sum to zero."""
    sums = replayed()

    assert sums["platform/issuance"] == {"paid": -1_500}
    assert sums["user/*/held"] == {"paid": 100}
    assert sum(amount for colours in sums.values() for amount in colours.values()) == 0


def test_an_edited_balance_is_a_difference(attacker: Attacker) -> None:
    """I13."""
    attacker.run("update balance set amount = amount + 1 where account like '%available'")

    code, said = ledger("replay")

    assert code == 1
    assert "(I13): user/" in said


def test_an_edited_projection_is_a_difference() -> None:
    """I10."""
    with connection.cursor() as cursor:
        cursor.execute("update open_account set amount = amount + 1")

    code, said = ledger("replay", "--json")

    violation = json.loads(said)["violation"]
    assert code == 1
    assert violation["invariant"] == "I10"
    assert "served, not replayed: open_account" in violation["text"]
    assert ledger("replay", "--projection", "none")[0] == 0
    with connection.cursor() as cursor:
        cursor.execute("update open_account set amount = amount - 1")


def test_a_hole_stops_the_replay(attacker: Attacker) -> None:
    """G10."""
    attacker.run("delete from event where shard = 3 and position = 7")

    code, said = ledger("replay")

    assert code == 1
    assert "A hole in shard 3" in said


def test_a_missing_tail_stops_the_replay(attacker: Attacker) -> None:
    attacker.run("delete from event where shard = 3 and position > 30")

    code, said = ledger("replay")

    assert code == 1
    assert "Shard 3 ends at 30, its head is at 33" in said


def test_a_replay_can_end_at_a_position() -> None:
    """Only that shard is folded: there is no order between shards."""
    assert replayed("--to-position", "3-1") == {
        "platform/issuance": {"paid": -1_000},
        "user/*/available": {"paid": 1_000},
    }


def test_a_replay_can_end_at_a_time() -> None:
    first = read.page(3, 0)[2].recorded_at

    assert replayed("--until", first.isoformat())["artist/*/pending"] == {"paid": 90}
    assert replayed("--until", "2020-01-01") == {}
    assert replayed("--until", "2099-01-01")["user/*/held"] == {"paid": 100}


def test_a_replay_of_one_account_compares_that_account(attacker: Attacker) -> None:
    account = f"user/{USER}/available"
    assert replayed("--account", account) == {account: {"paid": 657}}
    attacker.run(f"update balance set amount = 0 where account like '%{OTHER}%'")

    assert ledger("replay", "--account", account)[0] == 0
    assert ledger("replay", "--account", f"user/{OTHER}/available")[0] == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("--to-position", "3"), ("--to-position", "3-x"), ("--to-position", "99-1"),
        ("--to-position", "3-34"), ("--to-position", "3-0"), ("--until", "yesterday"),
        ("--to-position", "3-1", "--until", "2026-01-01"), ("--projection", "no_such"),
    ],
)  # fmt: skip
def test_a_bound_that_is_none_is_wrong_usage(arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError) as refused:
        ledger("replay", *arguments)

    assert refused.value.returncode in (1, 2)  # argparse's own refusals end a process with 2


@pytest.mark.usefixtures("database")
def test_a_book_of_more_than_a_page_is_replayed_whole() -> None:
    events = [books.draft(USER)[0] for _ in range(1_000)]
    for page in range(3):
        append(shard=3, outcomes=[], events=[books.draft(USER)[0], *events[page * 400 :][:400]])
    catch_up()

    assert json.loads(ledger("replay", "--json")[1])["events"] == 1_003


def test_a_projection_under_rebuild_is_no_verdict() -> None:
    with connection.cursor() as cursor:
        cursor.execute("update projection_checkpoint set state = 'rebuilding'")

    with pytest.raises(CommandError, match="rebuild") as refused:
        ledger("replay")

    assert refused.value.returncode == 2
    with connection.cursor() as cursor:
        cursor.execute("update projection_checkpoint set state = 'following'")


def test_a_hole_on_the_way_to_a_time_is_told(attacker: Attacker) -> None:
    attacker.run("delete from event where shard = 3 and position = 17")

    with pytest.raises(CommandError, match="a hole at 3-17"):
        ledger("replay", "--until", books.NOW.isoformat())
