"""`ledger balance` and `ledger statement`: what somebody has, had, and why."""

import itertools
import json

import pytest
from django.core.management import CommandError

from core.models import User
from ledger.book import read
from tests import books
from tests.attacks import Attacker
from tests.integration.audit.commands import OTHER, USER, ledger

AVAILABLE = f"user/{USER}/available"
HELD = f"user/{USER}/held"

pytestmark = pytest.mark.usefixtures("filled_book")


def balances(*arguments: str) -> dict[str, dict[str, int]]:
    code, said = ledger("balance", "--json", *arguments)
    assert code == 0
    found: dict[str, dict[str, int]] = json.loads(said)["balances"]
    return found


def test_the_balances_of_a_user_are_all_their_accounts() -> None:
    assert balances(str(USER)) == {AVAILABLE: {"paid": 657}, HELD: {"paid": 100}}
    artist = balances(str(books.ARTIST))
    assert artist[f"artist/{books.ARTIST}/pending"] == {"paid": 90}
    assert artist[f"artist/{books.ARTIST}/earned"] == {"paid": 90}


def test_a_user_can_be_named() -> None:
    User.objects.create(id=USER, username="Mina", email="mina@example.org")
    assert balances("mina") == balances(str(USER))


def test_an_account_is_told_with_its_entries_of_every_shard() -> None:
    """A payee's entries lie in the payer's shard."""
    assert balances(f"user/{OTHER}/available") == {f"user/{OTHER}/available": {"paid": 543}}
    assert balances("platform/issuance") == {"platform/issuance": {"paid": -1_500}}
    said = ledger("balance", AVAILABLE)[1]
    assert said.split() == [AVAILABLE, "paid", "657"]


def test_a_balance_can_be_told_as_it_was() -> None:
    at = read.page(3, 0)[0].recorded_at.isoformat()

    assert balances(AVAILABLE, "--at", at) == {AVAILABLE: {"paid": 1_000}}
    assert ledger("balance", AVAILABLE, "--at", "2020-01-01") == (0, "No entry.\n")


def test_a_balance_that_is_not_the_sum_of_its_entries_is_a_difference(attacker: Attacker) -> None:
    """I13."""
    attacker.run("update balance set amount = 9 where account = %s", HELD)

    code, said = ledger("balance", str(USER))

    assert code == 1
    assert said.splitlines()[-1] == f"Difference (I13): {HELD} paid is served as 9."
    assert json.loads(ledger("balance", "--json", HELD)[1])["equal"] is False


@pytest.mark.parametrize("name", ["nobody", "", "user/x/available", "platform/bonus", "artist/1/x"])
def test_what_is_neither_an_account_nor_a_user_is_wrong_usage(name: str) -> None:
    for command in ("balance", "statement"):
        with pytest.raises(CommandError, match="neither an account nor a user") as refused:
            ledger(command, name)
        assert refused.value.returncode == 2


def test_a_statement_runs_from_zero_to_the_balance() -> None:
    lines = [json.loads(line) for line in ledger("statement", AVAILABLE, "--json")[1].splitlines()]

    assert lines[0] | {"recorded_at": ""} == {
        "recorded_at": "",
        "position": "3-1",
        "type": "TokensGranted",
        "account": AVAILABLE,
        "colour": "paid",
        "amount": 1_000,
        "balance": 1_000,
    }
    assert lines[-1]["position"].startswith("4-")
    assert lines[-1]["balance"] == 657
    for before, after in itertools.pairwise(lines):
        assert after["balance"] == before["balance"] + after["amount"]


def test_a_statement_is_limited_to_its_newest_lines() -> None:
    """The running balance counts what is not shown as well."""
    said = ledger("statement", AVAILABLE, "--limit", "1")[1]

    assert said.split()[2:] == ["TokensTransferred", AVAILABLE, "paid", "+7", "657"]
    assert ledger("statement", f"user/{books.person(9)}/held") == (0, "No entry.\n")


def test_a_statement_of_a_user_keeps_a_balance_for_each_account() -> None:
    said = ledger("statement", str(USER), "--json")[1]

    last = {line["account"]: line["balance"] for line in map(json.loads, said.splitlines())}
    assert last == {AVAILABLE: 657, HELD: 100}


@pytest.mark.parametrize("limit", ["0", "-1", "10001"])
def test_a_statement_has_a_limit(limit: str) -> None:
    with pytest.raises(CommandError, match="--limit"):
        ledger("statement", AVAILABLE, "--limit", limit)
