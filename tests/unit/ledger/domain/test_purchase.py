"""Packages, payments as the provider reports them, and the tokens they issue."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from ledger.domain import money, purchase
from ledger.domain.change import Change, Decision, Disposition
from ledger.domain.errors import IdTaken, UnknownPackage, UnknownPurchase
from ledger.domain.events import PurchaseExpired, PurchaseRefunded, StyleReactivated
from ledger.domain.money import PAID, PROMO
from ledger.domain.purchase import (
    ConfirmPayment,
    ExpirePurchase,
    FailPayment,
    PurchaseState,
    PurchaseStatus,
    RefundPayment,
    StartPurchase,
)
from tests.unit.ledger.domain.stories import (
    LATER,
    NOW,
    STRANGER,
    TERMS,
    USER,
    UUID,
    events,
    fold,
    keys,
    moved,
    names,
)

PURCHASE = UUID(int=1)
STREAM = f"purchase-{PURCHASE}"


def started() -> PurchaseState:
    command = StartPurchase(purchase_id=PURCHASE, user_id=USER, package="plus")
    changes = purchase.start_purchase(command, now=NOW, terms=TERMS, purchase=None)
    state: PurchaseState = fold(purchase.evolve, changes, STREAM, None)
    return state


def after(state: PurchaseState, decision: Decision | list[Change]) -> PurchaseState:
    return fold(purchase.evolve, Decision.of(decision).changes, STREAM, state)


def confirm(state: PurchaseState | None, **given: Any) -> Decision:
    now = given.pop("now", LATER)
    defaults = {"payment_key": "pay-1", "amount_cents": 2_000, "currency": "USD"}
    command = ConfirmPayment(**{"purchase_id": PURCHASE, **defaults, **given})
    return purchase.confirm_payment(command, now=now, purchase=state)


def fail(state: PurchaseState | None) -> Decision:
    command = FailPayment(purchase_id=PURCHASE, payment_key="pay-1", code="card_declined")
    return purchase.fail_payment(command, purchase=state)


def refund(state: PurchaseState | None, have: int = 2_200, **given: Any) -> Decision:
    defaults = {"payment_key": "pay-1", "amount_cents": 2_000, "currency": "USD"}
    command = RefundPayment(
        **{"purchase_id": PURCHASE, "user_id": USER, "reason": "refund", **defaults, **given}
    )
    return purchase.refund_payment(command, purchase=state, available={PAID: have})


def expire(state: PurchaseState | None, now: datetime) -> list[Change]:
    return purchase.expire_purchase(ExpirePurchase(purchase_id=PURCHASE), now=now, purchase=state)


def paid() -> PurchaseState:
    return after(started(), confirm(started()))


def disputed(state: PurchaseState) -> PurchaseState:
    return after(state, confirm(state, payment_key="pay-2", amount_cents=1))


def test_a_purchase_pins_the_price_of_the_servers_own_table() -> None:
    state = started()
    assert (state.start.tokens, state.start.price_cents) == (2_200, 2_000)
    assert state.start.expires_at == NOW + timedelta(minutes=15)
    assert state.started_at == NOW
    assert state.status is PurchaseStatus.STARTED


def test_a_package_that_is_not_sold_cannot_be_bought() -> None:
    command = StartPurchase(purchase_id=PURCHASE, user_id=USER, package="gratis")
    with pytest.raises(UnknownPackage):
        purchase.start_purchase(command, now=NOW, terms=TERMS, purchase=None)


def test_a_purchase_is_started_once() -> None:
    command = StartPurchase(purchase_id=PURCHASE, user_id=USER, package="plus")
    with pytest.raises(IdTaken):
        purchase.start_purchase(command, now=NOW, terms=TERMS, purchase=started())


def test_a_payment_issues_the_tokens() -> None:
    decision = confirm(started())
    assert decision.disposition is Disposition.APPLIED
    assert names(decision) == ["PurchasePaid", "TokensIssued"]
    assert moved(decision) == {
        (money.available(USER), PAID): 2_200,
        (money.ISSUANCE, PAID): -2_200,
    }
    assert keys(decision) == [f"{STREAM}:issue"]
    assert not events(decision)[0].is_late
    paid = after(started(), decision)
    assert (paid.status, paid.paid_at) == (PurchaseStatus.PAID, NOW)


def test_the_same_payment_issues_once() -> None:
    """G7."""
    paid = after(started(), confirm(started()))
    assert confirm(paid) == Decision(disposition=Disposition.DUPLICATE)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [({"amount_cents": 1}, "amount_mismatch"), ({"currency": "KRW"}, "currency_mismatch")],
)
def test_a_payment_that_does_not_match_is_disputed_once_and_issues_nothing(
    wrong: dict[str, Any], reason: str
) -> None:
    decision = confirm(started(), **wrong)
    assert names(decision) == ["PurchaseDisputed"]
    assert events(decision)[0].reason == reason
    assert moved(decision) == {}
    disputed = after(started(), decision)
    assert confirm(disputed, **wrong) == Decision(disposition=Disposition.DUPLICATE)


def test_a_disputed_purchase_is_open_until_the_right_payment_comes() -> None:
    disputed = after(started(), confirm(started(), amount_cents=1, payment_key="pay-0"))
    assert disputed.is_disputed
    assert names(confirm(disputed)) == ["PurchasePaid", "TokensIssued"]


def test_a_second_payment_of_a_paid_purchase_is_disputed_and_issues_nothing() -> None:
    paid = after(started(), confirm(started()))
    decision = confirm(paid, payment_key="pay-2")
    assert events(decision)[0].reason == "paid_twice"
    assert after(paid, decision).status is PurchaseStatus.PAID


def test_a_payment_that_was_refunded_issues_nothing_and_another_one_is_disputed() -> None:
    """G7: also when the refund was reported before its payment."""
    event = PurchaseRefunded(
        user_id=USER, payment_key="pay-1", amount_cents=2_000, currency="USD", reason="refund"
    )
    refunded = purchase.evolve(started(), event, NOW)
    assert confirm(refunded) == Decision(disposition=Disposition.DUPLICATE)
    assert names(confirm(refunded, payment_key="pay-2")) == ["PurchaseDisputed"]


def test_a_late_payment_issues_since_the_user_was_charged() -> None:
    decision = confirm(started(), now=NOW + timedelta(hours=1))
    assert names(decision) == ["PurchasePaid", "TokensIssued"]
    assert events(decision)[0].is_late


def test_a_payment_of_an_expired_or_failed_purchase_issues_once() -> None:
    expired = purchase.evolve(started(), PurchaseExpired(user_id=USER), NOW)
    failed = after(started(), fail(started()))
    for closed in (expired, failed):
        decision = confirm(closed)
        assert events(decision)[0].is_late
        assert confirm(after(closed, decision)).changes == ()


def test_a_failed_payment_closes_the_purchase_and_moves_nothing() -> None:
    decision = fail(started())
    assert (names(decision), moved(decision)) == (["PurchaseFailed"], {})
    failed = after(started(), decision)
    assert failed.status is PurchaseStatus.FAILED
    assert fail(failed).disposition is Disposition.DUPLICATE


def test_a_failure_after_the_payment_is_old_news() -> None:
    paid = after(started(), confirm(started()))
    assert fail(paid) == Decision(disposition=Disposition.STALE)


def test_a_payment_of_no_purchase_is_refused() -> None:
    for report in (confirm, fail):
        with pytest.raises(UnknownPurchase):
            report(None)


def test_a_purchase_begins_with_its_start_and_keeps_its_status_otherwise() -> None:
    other = StyleReactivated(artist_id=USER)
    assert purchase.evolve(None, other, NOW) is None
    assert purchase.evolve(started(), other, LATER) == started()


def test_part_of_the_money_back_is_disputed_and_the_rest_still_takes_the_tokens_back() -> None:
    """G7: a dispute about the purchase's own payment does not shelter its tokens."""
    decision = refund(paid(), amount_cents=1_000)
    assert names(decision) == ["PurchaseDisputed"]
    assert (events(decision)[0].reason, moved(decision)) == ("refund_mismatch", {})
    state = after(paid(), decision)
    assert refund(state, amount_cents=1_000) == Decision(disposition=Disposition.DUPLICATE)
    whole = refund(state)
    assert names(whole) == ["PurchaseRefunded", "TokensUnissued", "AccountFlagged"]
    closed = after(state, whole)
    assert (closed.status, closed.is_disputed) == (PurchaseStatus.REFUNDED, False)


def test_a_payment_that_was_disputed_before_it_matched_gives_its_tokens_back() -> None:
    state = after(started(), confirm(started(), amount_cents=1))
    state = after(state, confirm(state))
    assert names(refund(state))[1] == "TokensUnissued"


def test_a_second_payment_of_a_refunded_purchase_is_settled_by_its_own_refund() -> None:
    state = after(paid(), refund(paid()))
    state = after(state, confirm(state, payment_key="pay-2"))
    assert state.is_disputed
    decision = refund(state, payment_key="pay-2")
    assert (names(decision), moved(decision)) == (["PurchaseRefunded"], {})
    settled = after(state, decision)
    assert (settled.status, settled.is_disputed) == (PurchaseStatus.REFUNDED, False)
    assert settled.payment_key == "pay-1"
    assert refund(settled) == Decision(disposition=Disposition.DUPLICATE)


def test_a_refund_takes_the_tokens_back_and_flags_the_account() -> None:
    decision = refund(paid(), reason="chargeback")
    assert decision.disposition is Disposition.APPLIED
    assert names(decision) == ["PurchaseRefunded", "TokensUnissued", "AccountFlagged"]
    assert moved([*confirm(started()).changes, *decision.changes]) == {}
    assert keys(decision) == [f"{STREAM}:unissue"]
    flagged = decision.changes[-1]
    assert flagged.stream == f"account-{USER}"
    assert flagged.event.reason == "purchase_chargeback"
    assert flagged.event.cause == STREAM
    assert after(paid(), decision).status is PurchaseStatus.REFUNDED


@pytest.mark.parametrize(
    ("have", "taken"), [(0, 0), (1, 1), (2_199, 2_199), (2_200, 2_200), (9_999, 2_200)]
)
def test_what_the_buyer_has_spent_comes_from_goodwill(have: int, taken: int) -> None:
    """G2, G3: never more is taken than there is."""
    decision = refund(paid(), have)
    event = events(decision)[1]
    assert (event.amount, event.taken, event.goodwill) == (2_200, taken, 2_200 - taken)
    book = {
        (money.available(USER), PAID): -taken,
        (money.GOODWILL, PAID): taken - 2_200,
        (money.ISSUANCE, PAID): 2_200,
    }
    assert moved(decision) == {key: amount for key, amount in book.items() if amount}


def test_a_buyer_without_any_paid_token_gives_none_back() -> None:
    command = RefundPayment(
        purchase_id=PURCHASE, user_id=USER, payment_key="pay-1", amount_cents=2_000,
        currency="USD", reason="refund",
    )  # fmt: skip
    decision = purchase.refund_payment(command, purchase=paid(), available={PROMO: 500})
    assert events(decision)[1].goodwill == 2_200


def test_money_goes_back_once() -> None:
    """G7."""
    refunded = after(paid(), refund(paid()))
    assert refund(refunded) == Decision(disposition=Disposition.DUPLICATE)
    assert refund(refunded, reason="chargeback").changes == ()


def test_a_refund_that_comes_before_its_payment_keeps_it_from_issuing() -> None:
    """G7, G9."""
    failed = after(started(), fail(started()))
    for state in (started(), failed):
        decision = refund(state)
        assert (names(decision), moved(decision)) == (["PurchaseRefunded"], {})
        refunded = after(state, decision)
        assert refunded.status is PurchaseStatus.REFUNDED
        assert confirm(refunded) == Decision(disposition=Disposition.DUPLICATE)


@pytest.mark.parametrize(
    "wrong", [{"amount_cents": 1_999}, {"currency": "KRW"}, {"payment_key": "pay-9"}]
)
def test_a_refund_of_other_money_is_disputed_once_and_takes_nothing(wrong: dict[str, Any]) -> None:
    decision = refund(paid(), **wrong)
    assert (names(decision), moved(decision)) == (["PurchaseDisputed"], {})
    assert events(decision)[0].reason == "refund_mismatch"
    state = after(paid(), decision)
    assert state.status is PurchaseStatus.PAID
    assert fail(state) == Decision(disposition=Disposition.STALE)


def test_the_refund_of_a_disputed_payment_closes_the_dispute_and_takes_nothing() -> None:
    for state, status in ((paid(), PurchaseStatus.PAID), (started(), PurchaseStatus.REFUNDED)):
        decision = refund(disputed(state), payment_key="pay-2", amount_cents=1)
        assert (names(decision), moved(decision)) == (["PurchaseRefunded"], {})
        settled = after(disputed(state), decision)
        assert (settled.status, settled.is_disputed) == (status, False)


def test_a_refund_of_no_purchase_or_of_another_buyers_is_refused() -> None:
    """G13."""
    with pytest.raises(UnknownPurchase):
        refund(None)
    with pytest.raises(UnknownPurchase):
        refund(paid(), user_id=STRANGER)


def test_a_purchase_that_nobody_paid_expires_and_still_takes_its_payment() -> None:
    until = NOW + timedelta(minutes=15)
    assert expire(started(), until) == []
    changes = expire(started(), until + timedelta(microseconds=1))
    assert (names(changes), moved(changes)) == (["PurchaseExpired"], {})
    expired = after(started(), changes)
    assert expired.status is PurchaseStatus.EXPIRED
    assert names(confirm(expired)) == ["PurchasePaid", "TokensIssued"]


def test_no_timer_expires_a_purchase_that_has_moved_on() -> None:
    """A timer may be late or run twice."""
    much_later = NOW + timedelta(days=365)
    expired = after(started(), expire(started(), much_later))
    failed = after(started(), fail(started()))
    refunded = after(paid(), refund(paid()))
    for state in (None, paid(), expired, failed, refunded, disputed(started())):
        assert expire(state, much_later) == []
