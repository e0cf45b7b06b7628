"""Purchases, folded from a real book."""

from typing import Any

import pytest

from ledger.domain.events import (
    Event,
    PurchaseDisputed,
    PurchaseExpired,
    PurchaseFailed,
    PurchaseRefunded,
    TokensUnissued,
)
from ledger.domain.money import ISSUANCE, PAID, Entry, available
from projections.follow import catch_up
from projections.purchases import Purchase, purchase, purchases_of
from projections.reading import mark
from tests.integration.projections.pen import NOW, Fact, Pen, person
from tests.integration.projections.stories import LATER, PurchaseStory

ANNE = person(1)

pytestmark = pytest.mark.usefixtures("database")


def shown(story: PurchaseStory) -> Purchase:
    catch_up()
    found = purchase(story.id)
    assert found is not None
    return found


def test_a_started_purchase_has_its_price_pinned() -> None:
    story = PurchaseStory(ANNE)
    Pen().write(story.started())

    row = shown(story)

    assert (row.status, row.tokens, row.price_cents, row.currency) == ("started", 500, 500, "USD")
    assert (row.expires_at, row.paid_at, row.issued) == (LATER, None, 0)


def test_a_paid_purchase_shows_what_was_issued() -> None:
    pen, story = Pen(), PurchaseStory(ANNE)
    pen.write(story.started())
    catch_up()
    pen.write(*story.paid())

    row = shown(story)

    assert (row.status, row.issued, row.payment_key, row.paid_at) == ("paid", 500, "pay-1", NOW)
    assert (row.version, row.is_late) == (3, False)


def test_a_refunded_purchase_shows_what_was_taken_back() -> None:
    pen, story = Pen(), PurchaseStory(ANNE)
    pen.write(story.started(), *story.paid())
    money = {"payment_key": "pay-1", "amount_cents": 500, "currency": "USD"}
    taken = TokensUnissued(user_id=ANNE, amount=500, taken=500, goodwill=0)
    entries = (Entry(available(ANNE), PAID, -500), Entry(ISSUANCE, PAID, 500))
    pen.write(
        story.told(PurchaseRefunded(user_id=ANNE, reason="refund", **money)),
        Fact(story.stream, taken, "unissue", entries),
    )

    row = shown(story)

    assert (row.status, row.issued, row.unissued) == ("refunded", 500, 500)


def test_the_refund_of_a_second_payment_leaves_the_purchase_paid() -> None:
    pen, story = Pen(), PurchaseStory(ANNE)
    second = {"payment_key": "pay-2", "amount_cents": 500, "currency": "USD"}
    pen.write(
        story.started(),
        *story.paid(),
        story.told(PurchaseDisputed(user_id=ANNE, reason="paid_twice", **second)),
        story.told(PurchaseRefunded(user_id=ANNE, reason="refund", **second)),
    )

    assert (shown(story).status, shown(story).is_disputed) == ("paid", False)


@pytest.mark.parametrize(("refunded", "is_still_disputed"), [("other", True), ("wrong", False)])
def test_a_dispute_is_ended_by_the_refund_of_its_own_payment_alone(
    refunded: str, is_still_disputed: bool
) -> None:
    """G11: the row says what the decisions go by."""
    pen, story = Pen(), PurchaseStory(ANNE)
    told: list[Event] = [
        PurchaseDisputed(
            user_id=ANNE, payment_key="wrong", amount_cents=1, currency="USD", reason="amount"
        ),
        PurchaseRefunded(
            user_id=ANNE, payment_key=refunded, amount_cents=500, currency="USD", reason="refund"
        ),
    ]
    pen.write(story.started(), *map(story.told, told))

    assert (shown(story).status, shown(story).is_disputed) == ("refunded", is_still_disputed)


def test_part_of_the_money_back_and_then_the_whole_leaves_no_dispute() -> None:
    pen, story = Pen(), PurchaseStory(ANNE)
    money: dict[str, Any] = {"payment_key": "pay-1", "currency": "USD"}
    told: list[Event] = [
        PurchaseDisputed(user_id=ANNE, amount_cents=1, reason="refund_mismatch", **money),
        PurchaseRefunded(user_id=ANNE, amount_cents=500, reason="refund", **money),
    ]
    pen.write(story.started(), *story.paid(), *map(story.told, told))

    assert (shown(story).status, shown(story).is_disputed) == ("refunded", False)


def test_failed_expired_and_disputed_purchases_say_so() -> None:
    pen = Pen()
    failed, expired, disputed = (PurchaseStory(ANNE) for _ in range(3))
    told = [
        (failed, PurchaseFailed(user_id=ANNE, payment_key="pay-1", code="card_declined")),
        (expired, PurchaseExpired(user_id=ANNE)),
        (
            disputed,
            PurchaseDisputed(
                user_id=ANNE, payment_key="p", amount_cents=1, currency="USD", reason="amount"
            ),
        ),
    ]
    for story, event in told:
        pen.write(story.started(), story.told(event))

    assert (shown(failed).status, shown(failed).error_code) == ("failed", "card_declined")
    assert shown(expired).status == "expired"
    assert (shown(disputed).status, shown(disputed).is_disputed) == ("started", True)


def test_purchases_are_listed_newest_first_and_pages_join() -> None:
    pen = Pen()
    for _ in range(5):
        pen.write(PurchaseStory(ANNE).started())
    catch_up()

    whole = purchases_of(ANNE)
    first = purchases_of(ANNE, limit=3)

    assert len(whole) == 5
    assert first + purchases_of(ANNE, limit=3, before=mark(first[-1])) == whole
    assert purchases_of(person(2)) == []
