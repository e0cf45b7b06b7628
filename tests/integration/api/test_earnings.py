"""`/api/tokens/earnings/` and `payouts/`: from a paid picture to the artist's bank."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.conf import LazySettings

from core.ids import new_id
from core.models import Role
from ledger.domain.refund import ClearEarnings
from ledger.terms import terms
from projections.follow import catch_up
from tests.callers import Caller, code
from tests.jobs import (
    Worker,
    announced,
    balance,
    give,
    granted,
    order_picture,
    picture,
    trained_style,
)

People = Callable[..., Caller]
EARNINGS, PAYOUTS = "/api/tokens/earnings/", "/api/tokens/payouts/"


@pytest.fixture(autouse=True)
def clears_at_once(settings: LazySettings) -> Iterator[None]:
    settings.CLEARING_SECONDS = 0.0
    terms.cache_clear()
    yield
    terms.cache_clear()


@pytest.fixture
def artist(person: People) -> Caller:
    """An artist with 90 paid and 9 promo tokens of cleared earnings, and 90 paid pending."""
    caller, user = person("art", Role.ARTIST), new_id()
    styles = [trained_style(caller.user.id, price=price) for price in (100, 10, 100)]
    give(granted(user, 10, "promo"), granted(user, 200))
    for number, style_id in enumerate((styles[1], styles[0], styles[2])):
        order = order_picture(user, style_id)
        give(order)
        worker = Worker("generation", order.task_id, uuid4())
        worker.tell("started")
        worker.upload(picture())
        worker.tell("complete", announced(picture()))
        if number < 2:
            give(ClearEarnings(generation_id=order.generation_id))
    catch_up()
    return caller


@pytest.fixture
def operator(person: People) -> Caller:
    return person("olga", Role.OPERATOR)


def send(caller: Caller, path: str, body: Any, key: str = "k") -> Any:
    return caller("POST", path, body, headers={"Idempotency-Key": key})


def test_earnings_are_shown_exactly(artist: Caller) -> None:
    assert artist("GET", EARNINGS).json() == {
        "pending": {"paid": 90}, "earned": {"paid": 90, "promo": 9}, "payout": {},
    }  # fmt: skip


def test_a_claim_goes_to_the_artists_own_wallet(artist: Caller) -> None:
    """G7."""
    before = balance(artist.user.id)
    first = send(artist, f"{EARNINGS}claim/", {"colour": "promo"})
    assert (first.status_code, first.json()["colours"]) == (201, {"promo": 9})
    assert send(artist, f"{EARNINGS}claim/", {"colour": "promo"}).json() == first.json()
    assert balance(artist.user.id) == (before[0] + 9, 0)
    assert artist("GET", EARNINGS).json()["earned"] == {"paid": 90}


def test_no_more_is_claimed_or_paid_out_than_was_earned(artist: Caller) -> None:
    """G3."""
    for path, amount in ((f"{EARNINGS}claim/", 100), (PAYOUTS, 91)):
        assert code(send(artist, path, {"amount": amount})) == (402, "insufficient_earnings")
    assert code(artist("POST", PAYOUTS, {"amount": 5})) == (400, "idempotency_key_required")
    assert artist("GET", EARNINGS).json()["payout"] == {}


def test_a_payout_is_requested_and_paid_once(artist: Caller, operator: Caller) -> None:
    """I11."""
    asked = send(artist, PAYOUTS, {"amount": 60, "destination": "IBAN of Ada"})
    payout = asked.json()
    path = f"{PAYOUTS}{payout['id']}/"
    assert (asked.status_code, payout["status"]) == (201, "requested")
    assert artist("GET", EARNINGS).json()["payout"] == {"paid": 60}
    sent = {"reference": "bank-1", "amount_cents": 600, "currency": "USD"}
    paid = send(operator, f"{path}pay/", sent).json()
    assert (paid["status"], paid["reference"]) == ("paid", "bank-1")
    assert code(send(operator, f"{path}return/", {"reason": "iban"}, "late")) == (
        409,
        "payout_closed",
    )
    assert artist("GET", path).json() == operator("GET", path).json() == paid
    assert artist("GET", EARNINGS).json()["payout"] == {}


def test_a_returned_payout_is_earned_again(artist: Caller, operator: Caller) -> None:
    path = f"{PAYOUTS}{send(artist, PAYOUTS, {'amount': 60}).json()['id']}/"
    returned = send(operator, f"{path}return/", {"reason": "iban_unknown"}).json()
    assert (returned["status"], returned["reason"]) == ("returned", "iban_unknown")
    assert artist("GET", EARNINGS).json()["earned"] == {"paid": 90, "promo": 9}


def test_nobody_sees_or_decides_anothers_payout(artist: Caller, person: People) -> None:
    """G13."""
    path = f"{PAYOUTS}{send(artist, PAYOUTS, {'amount': 60}).json()['id']}/"
    other = person("eve", Role.ARTIST)
    assert code(other("GET", path)) == (404, "payout_not_found")
    assert code(other("GET", f"{PAYOUTS}{uuid4()}/")) == (404, "payout_not_found")
    assert code(send(artist, f"{path}pay/", {})) == (403, "operator_only")
