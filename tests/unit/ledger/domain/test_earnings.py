"""Cleared earnings: claimed into the artist's wallet, or paid out in money."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain import earnings, money
from ledger.domain.change import Change
from ledger.domain.earnings import (
    ClaimEarnings,
    ClaimState,
    PayoutState,
    PayoutStatus,
    PayPayout,
    RequestPayout,
    ReturnPayout,
)
from ledger.domain.errors import (
    AmountOutOfRange,
    InsufficientEarnings,
    PayoutClosed,
    UnknownPayout,
)
from ledger.domain.events import AccountClosed
from ledger.domain.money import PAID, PROMO
from tests.unit.ledger.domain.stories import (
    ARTIST,
    LATER,
    NOW,
    TEXT,
    USER,
    UUID,
    events,
    fold,
    keys,
    moved,
    names,
)

CLAIM, PAYOUT = UUID(int=1), UUID(int=2)
STREAM = f"payout-{PAYOUT}"
OTHER_EVENT = AccountClosed(user_id=USER, reason="owner")


def claim(earned: dict[str, int], **given: Any) -> list[Change]:
    command = ClaimEarnings(**{"claim_id": CLAIM, "artist_id": ARTIST, **given})
    return earnings.claim_earnings(command, now=NOW, earned=earned)


def request(earned: dict[str, int], amount: int = 60) -> list[Change]:
    command = RequestPayout(payout_id=PAYOUT, artist_id=ARTIST, amount=amount, destination=TEXT)
    return earnings.request_payout(command, now=NOW, earned=earned)


def pay(state: PayoutState | None) -> list[Change]:
    command = PayPayout(payout_id=PAYOUT, reference="SEPA 1", amount_cents=54, currency="USD")
    return earnings.pay_payout(command, payout=state)


def give_back(state: PayoutState | None) -> list[Change]:
    command = ReturnPayout(payout_id=PAYOUT, reason="account_closed")
    return earnings.return_payout(command, payout=state)


def after(state: PayoutState | None, changes: list[Change]) -> PayoutState:
    moved_on: PayoutState = fold(earnings.evolve_payout, changes, STREAM, state, LATER)
    return moved_on


def requested() -> PayoutState:
    return after(None, request({PAID: 90}))


def test_a_claim_moves_cleared_earnings_into_the_artists_wallet() -> None:
    changes = claim({PAID: 90, PROMO: 27}, amount=40)
    assert names(changes) == ["EarningsClaimed"]
    assert keys(changes) == [f"claim-{CLAIM}:claim"]
    assert events(changes)[0].colours == ((PROMO, 27), (PAID, 13))
    assert moved(changes) == {
        (money.earned(ARTIST), PROMO): -27,
        (money.earned(ARTIST), PAID): -13,
        (money.available(ARTIST), PROMO): 27,
        (money.available(ARTIST), PAID): 13,
    }


def test_a_claim_without_an_amount_takes_all() -> None:
    assert events(claim({PAID: 90, PROMO: 27}))[0].amount == 117
    assert events(claim({PAID: 90, PROMO: 27}, colour=PROMO))[0].colours == ((PROMO, 27),)


def test_a_claim_takes_no_more_at_once_than_a_movement_may_have() -> None:
    assert events(claim({PAID: money.MAX_AMOUNT + 5}))[0].amount == money.MAX_AMOUNT


def test_a_claim_of_one_colour_leaves_the_other() -> None:
    assert events(claim({PAID: 90, PROMO: 27}, amount=30, colour=PAID))[0].colours == ((PAID, 30),)
    with pytest.raises(InsufficientEarnings) as refusal:
        claim({PAID: 90, PROMO: 27}, amount=30, colour=PROMO)
    assert refusal.value.details == {"required": 30, "available": 27}


@pytest.mark.parametrize("earned", [{}, {PAID: 0}, {PAID: 0, PROMO: 0}])
def test_nothing_earned_is_nothing_to_claim(earned: dict[str, int]) -> None:
    """G3."""
    for wish in ({}, {"amount": 1}, {"colour": PAID}, {"colour": "gold"}):
        with pytest.raises(InsufficientEarnings):
            claim(earned, **wish)


@pytest.mark.parametrize("amount", [0, -1, money.MAX_AMOUNT + 1])
def test_an_amount_that_no_movement_may_have_is_refused(amount: int) -> None:
    earned = {PAID: 2 * money.MAX_AMOUNT}
    with pytest.raises(AmountOutOfRange):
        claim(earned, amount=amount)
    with pytest.raises(AmountOutOfRange):
        request(earned, amount)


def test_a_payout_sets_paid_earnings_aside() -> None:
    changes = request({PAID: 90})
    assert names(changes) == ["PayoutRequested"]
    assert keys(changes) == [f"{STREAM}:payout_hold"]
    assert moved(changes) == {(money.earned(ARTIST), PAID): -60, (money.payout(ARTIST), PAID): 60}
    assert events(changes)[0].destination == TEXT
    state = requested()
    assert (state.status, state.requested_at) == (PayoutStatus.REQUESTED, LATER)


def test_promo_earnings_cannot_be_paid_out() -> None:
    """G3."""
    with pytest.raises(InsufficientEarnings) as refusal:
        request({PAID: 59, PROMO: 500})
    assert refusal.value.details == {"required": 60, "available": 59}
    with pytest.raises(InsufficientEarnings):
        request({PROMO: 500})


def test_a_payout_that_was_sent_leaves_the_book() -> None:
    changes = pay(requested())
    assert names(changes) == ["PayoutPaid"]
    assert keys(changes) == [f"{STREAM}:payout_paid"]
    assert moved(changes) == {(money.payout(ARTIST), PAID): -60, (money.PAID_OUT, PAID): 60}
    state = after(requested(), changes)
    assert (state.status, state.closed_at) == (PayoutStatus.PAID, LATER)
    assert (state.paid, state.returned) == (events(changes)[0], None)
    assert state.paid is not None
    assert (state.paid.reference, state.paid.amount_cents) == ("SEPA 1", 54)


def test_a_payout_that_was_not_sent_is_earned_again() -> None:
    changes = give_back(requested())
    assert names(changes) == ["PayoutReturned"]
    assert keys(changes) == [f"{STREAM}:payout_returned"]
    assert moved([*request({PAID: 90}), *changes]) == {}
    state = after(requested(), changes)
    assert (state.status, state.closed_at) == (PayoutStatus.RETURNED, LATER)
    assert (state.paid, state.returned) == (None, events(changes)[0])


def test_a_payout_is_closed_once() -> None:
    """G7."""
    for end in (pay, give_back):
        closed = after(requested(), end(requested()))
        for again in (pay, give_back):
            with pytest.raises(PayoutClosed) as refusal:
                again(closed)
            assert refusal.value.details == {"status": closed.status.value}


def test_no_payout_is_none_to_close() -> None:
    for end in (pay, give_back):
        with pytest.raises(UnknownPayout):
            end(None)


def test_claims_and_payouts_begin_with_their_own_first_event() -> None:
    changes = claim({PAID: 1})
    (event,) = events(changes)
    state = fold(earnings.evolve_claim, changes, f"claim-{CLAIM}", None, LATER)
    assert state == ClaimState(claim=event, claimed_at=LATER)
    assert earnings.evolve_claim(state, OTHER_EVENT, NOW) == state
    assert earnings.evolve_payout(requested(), OTHER_EVENT, NOW) == requested()
    for end in (pay, give_back):
        assert earnings.evolve_payout(None, events(end(requested()))[0], NOW) is None


@given(
    earned=st.dictionaries(st.sampled_from([PAID, PROMO]), st.integers(0, 10_000)),
    amount=st.integers(1, 20_000),
)
def test_nobody_takes_more_than_they_earned(earned: dict[str, int], amount: int) -> None:
    """G3."""
    for take, usable in ((claim, sum(earned.values())), (request, earned.get(PAID, 0))):
        if amount > usable:
            with pytest.raises(InsufficientEarnings):
                take(earned, amount=amount)
            continue
        sums = moved(take(earned, amount=amount))
        for colour, have in earned.items():
            assert 0 <= -sums.get((money.earned(ARTIST), colour), 0) <= have
