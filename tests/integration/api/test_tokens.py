"""`/api/tokens/`: balance, transfers, grants (design sections 7 and 10)."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from core.ids import new_id
from core.models import Role, User
from ledger.book import wallet
from tests.books import grant, write
from tests.callers import Caller, code, faults
from tests.jobs import give, granted, order_picture, trained_style

People = Callable[..., Caller]


def keyed(key: str = "k-1") -> dict[str, dict[str, str]]:
    return {"headers": {"Idempotency-Key": key}}


@pytest.fixture
def ann(person: People) -> Caller:
    return person("ann")


@pytest.fixture
def ben(person: People) -> Caller:
    return person("ben")


@pytest.fixture
def operator(person: People) -> Caller:
    return person("olga", Role.OPERATOR)


@pytest.fixture
def rich_ann(ann: Caller, operator: Caller) -> Caller:
    given = {"user_id": str(ann.user.id), "amount": 100, "colour": "paid"}
    assert operator("POST", "/api/tokens/grants/", given, **keyed("rich")).status_code == 201
    return ann


def balance(caller: Caller) -> int:
    total: int = caller("GET", "/api/tokens/balance/").json()["balance"]
    return total


def transfer(caller: Caller, to: Caller, amount: object, key: str = "k-1") -> Any:
    body = {"recipient_id": str(to.user.id), "amount": amount}
    return caller("POST", "/api/tokens/transfers/", body, **keyed(key))


def test_a_new_wallet_is_empty(ann: Caller) -> None:
    assert ann("GET", "/api/tokens/balance/").json() == {
        "balance": 0,
        "available": 0,
        "held": 0,
        "colours": [],
    }


def test_an_explained_balance_adds_up_and_names_the_open_holds(rich_ann: Caller) -> None:
    """Each figure is the sum of what is shown below it."""
    user, style = rich_ann.user.id, trained_style(new_id())
    give(granted(user, 250, "promo"))
    orders = [order_picture(user, style) for _ in range(2)]
    give(*orders)
    transfer(rich_ann, Caller(User.objects.create(username="x", email="x@example.org"), ""), 10)
    write(grant(user, 40, "promo@2020-01-31"))

    answer = rich_ann("GET", "/api/tokens/balance/?explain=true").json()

    plain = rich_ann("GET", "/api/tokens/balance/").json()
    explanation = answer.pop("explanation")
    assert answer == plain
    assert (answer["available"], answer["held"]) == (140, 200)
    moved = {one["type"]: one["amount"] for one in explanation["movements"]}
    assert sum(moved.values()) - explanation["lapsed"] == answer["available"]
    assert (moved["hold"], explanation["lapsed"]) == (-200, 40)
    assert [one["amount"] for one in explanation["holds"]] == [100, 100]
    assert {one["related"]["id"] for one in explanation["holds"]} == {
        str(order.generation_id) for order in orders
    }
    assert (explanation["more_holds"], explanation["more_held"]) == (0, 0)


def test_of_many_holds_the_newest_are_shown_and_the_rest_is_counted(
    rich_ann: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, style = rich_ann.user.id, trained_style(new_id())
    give(granted(user, 400))
    orders = [order_picture(user, style) for _ in range(4)]
    for order in orders:
        give(order)
    monkeypatch.setattr(wallet, "MOST_HOLDS", 1)

    answer = rich_ann("GET", "/api/tokens/balance/?explain=true").json()

    (shown,) = answer["explanation"]["holds"]
    assert shown["related"] == {"kind": "generation", "id": str(orders[-1].generation_id)}
    assert (answer["explanation"]["more_holds"], answer["explanation"]["more_held"]) == (3, 300)
    assert answer["held"] == 400


def test_a_wish_for_an_explanation_is_yes_or_no(ann: Caller) -> None:
    refused = ann("GET", "/api/tokens/balance/?explain=perhaps")

    assert code(refused) == (422, "invalid_fields")


def test_the_balance_shows_colours_in_burn_order(ann: Caller, operator: Caller) -> None:
    for number, colour in enumerate(["paid", "promo", "promo@2999-01-31", "promo@2998-12-31"]):
        given = {"user_id": str(ann.user.id), "amount": number + 1, "colour": colour}
        operator("POST", "/api/tokens/grants/", given, **keyed(colour))

    answer = ann("GET", "/api/tokens/balance/").json()

    assert answer["balance"] == 10
    assert answer["colours"] == [
        {"colour": "promo@2998-12-31", "amount": 4, "expires_on": "2998-12-31"},
        {"colour": "promo@2999-01-31", "amount": 3, "expires_on": "2999-01-31"},
        {"colour": "promo", "amount": 2, "expires_on": None},
        {"colour": "paid", "amount": 1, "expires_on": None},
    ]


def test_a_transfer_moves_paid_tokens_and_says_where_to_read_it(
    rich_ann: Caller, ben: Caller
) -> None:
    response = transfer(rich_ann, ben, 30)

    assert response.status_code == 201  # type: ignore[attr-defined]
    assert "Ledger-Position" in response.headers  # type: ignore[attr-defined]
    assert (balance(rich_ann), balance(ben)) == (70, 30)


def test_a_repeated_key_gives_the_first_answer_and_moves_nothing(
    rich_ann: Caller, ben: Caller
) -> None:
    """G7."""
    first, second = (transfer(rich_ann, ben, 30) for _ in range(2))

    assert second.json() == first.json()  # type: ignore[attr-defined]
    assert second.headers["Idempotent-Replayed"] == "true"  # type: ignore[attr-defined]
    assert "Idempotent-Replayed" not in first.headers  # type: ignore[attr-defined]
    assert balance(rich_ann) == 70


def test_a_key_with_another_body_is_refused(rich_ann: Caller, ben: Caller) -> None:
    """G7."""
    transfer(rich_ann, ben, 30)
    assert code(transfer(rich_ann, ben, 31)) == (422, "idempotency_key_reused")
    assert balance(rich_ann) == 70


def test_a_remembered_refusal_says_that_it_is_one(rich_ann: Caller) -> None:
    """G7."""
    first, second = (transfer(rich_ann, rich_ann, 1) for _ in range(2))
    assert code(first) == code(second) == (422, "self_transfer")
    assert second.headers["Idempotent-Replayed"] == "true"  # type: ignore[attr-defined]


def test_an_overdraft_is_402_and_can_be_sent_again_after_a_top_up(
    rich_ann: Caller, ben: Caller, operator: Caller
) -> None:
    """G3, G7."""
    response = transfer(rich_ann, ben, 150)
    assert code(response) == (402, "insufficient_tokens")
    assert response.json()["error"]["details"] == {  # type: ignore[attr-defined]
        "required": 150,
        "available": 100,
        "shortfall": 50,
    }
    given = {"user_id": str(rich_ann.user.id), "amount": 50, "colour": "paid"}
    operator("POST", "/api/tokens/grants/", given, **keyed("top-up"))
    assert transfer(rich_ann, ben, 150).status_code == 201  # type: ignore[attr-defined]


@pytest.mark.parametrize("amount", [0, -1, 1.5, 2.0, "5", True, None, 10**9 + 1, 10**30, [], {}])
def test_a_wild_amount_is_refused(rich_ann: Caller, ben: Caller, amount: object) -> None:
    assert "amount" in faults(transfer(rich_ann, ben, amount))
    assert balance(rich_ann) == 100


def test_a_transfer_needs_a_key(ann: Caller, ben: Caller) -> None:
    body = {"recipient_id": str(ben.user.id), "amount": 1}
    response = ann("POST", "/api/tokens/transfers/", body)
    assert code(response) == (400, "idempotency_key_required")


def test_a_transfer_to_nobody_is_404(rich_ann: Caller, operator: Caller) -> None:
    for recipient in (str(uuid4()), str(operator.user.id)):
        body = {"recipient_id": recipient, "amount": 1}
        response = rich_ann("POST", "/api/tokens/transfers/", body, **keyed(recipient))
        assert code(response) == (404, "recipient_not_found")


def test_a_transfer_sent_again_gets_its_first_answer_whoever_came_or_went(
    rich_ann: Caller, ben: Caller
) -> None:
    """G7: the account of the other side may open or close meanwhile."""
    first = transfer(rich_ann, ben, 10)
    User.objects.filter(id=ben.user.id).update(is_active=False)
    refused = transfer(rich_ann, ben, 10, "k-2")

    assert code(refused) == (404, "recipient_not_found")
    assert transfer(rich_ann, ben, 10).json() == first.json()
    User.objects.filter(id=ben.user.id).update(is_active=True)
    again = transfer(rich_ann, ben, 10, "k-2")
    assert (code(again), again["Idempotent-Replayed"]) == ((404, "recipient_not_found"), "true")


class TestGrants:
    def test_only_operators_grant(self, ann: Caller) -> None:
        """G13."""
        given = {"user_id": str(ann.user.id), "amount": 1}
        response = ann("POST", "/api/tokens/grants/", given, **keyed())
        assert code(response) == (403, "operator_only")
        assert balance(ann) == 0

    def test_a_key_reused_for_another_person_is_refused(
        self, ann: Caller, ben: Caller, operator: Caller
    ) -> None:
        """G7: whichever shard the other person lies in."""
        for number, caller in enumerate((ann, ben)):
            given = {"user_id": str(caller.user.id), "amount": 1}
            response = operator("POST", "/api/tokens/grants/", given, **keyed())
            assert response.status_code == (422 if number else 201)

    @pytest.mark.parametrize("colour", ["gold", "promo@", "promo@2026-02-30", "PAID"])
    def test_an_unknown_colour_is_refused(self, ann: Caller, operator: Caller, colour: str) -> None:
        given = {"user_id": str(ann.user.id), "amount": 1, "colour": colour}
        response = operator("POST", "/api/tokens/grants/", given, **keyed())
        assert faults(response) == {"colour": ["unknown_colour"]}

    def test_a_colour_whose_last_day_is_over_is_refused(
        self, ann: Caller, operator: Caller
    ) -> None:
        given = {"user_id": str(ann.user.id), "amount": 1, "colour": "promo@2020-01-01"}
        response = operator("POST", "/api/tokens/grants/", given, **keyed())
        assert code(response) == (422, "unknown_colour")


def test_signing_up_gives_the_welcome_tokens_once(person: People) -> None:
    from tests.callers import call  # the same door as a stranger's

    password = "correct horse battery"
    body = {"username": "nora", "email": "nora@example.org", "password": password}
    signed_up = call("POST", "/api/auth/signup/", body)
    login = {"username": "nora", "password": password}
    call("POST", "/api/auth/login/", login)
    call("POST", "/api/auth/login/", login)

    answer = call("GET", "/api/tokens/balance/", key=signed_up.json()["api_key"]).json()

    assert "Ledger-Position" in signed_up.headers
    assert answer["colours"] == [{"colour": "promo", "amount": 100, "expires_on": None}]
    del person
