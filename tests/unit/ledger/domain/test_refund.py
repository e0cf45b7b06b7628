"""After the capture: the price goes back whole and once, or the artist's part is earned."""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain import money, refund
from ledger.domain.change import Change
from ledger.domain.errors import AlreadyRefunded, NotRefundable, RefundTooLate, UnknownGeneration
from ledger.domain.generation import GenerationState
from ledger.domain.job import HoldStatus, JobStatus
from ledger.domain.money import PAID, PROMO
from ledger.domain.refund import GOODWILL, PENDING, ClearEarnings, RefundGeneration
from tests.unit.ledger.domain.stories import (
    ARTIST,
    GENERATION,
    NOW,
    PICTURE_STREAM,
    TERMS,
    TEXT,
    USER,
    after_picture,
    complete_picture,
    completed_picture,
    events,
    failed_picture,
    keys,
    moved,
    names,
    order_picture,
    queued_picture,
    running_picture,
    trained,
)

SOON, FAR = "promo@2027-02-02", "promo@2028-12-31"
MOMENT = timedelta(microseconds=1)
REFUNDABLE_UNTIL = NOW + timedelta(days=7)
CLEARS_AT = NOW + timedelta(days=7, hours=1)
GOODWILL_UNTIL = NOW + timedelta(days=90)


def refunded(state: GenerationState | None, now: datetime = NOW, **given: Any) -> list[Change]:
    command = RefundGeneration(
        **{"generation_id": GENERATION, "reason": "broken_image", "note": TEXT, **given}
    )
    return refund.refund_generation(command, now=now, terms=TERMS, generation=state)


def cleared(state: GenerationState | None, now: datetime = CLEARS_AT) -> list[Change]:
    command = ClearEarnings(generation_id=GENERATION)
    assert command.stream == PICTURE_STREAM
    return refund.clear_earnings(command, now=now, generation=state)


def test_a_refund_inside_the_window_comes_from_the_artists_pending_part() -> None:
    """I8."""
    changes = refunded(completed_picture(), REFUNDABLE_UNTIL)
    assert names(changes) == ["GenerationRefunded"]
    assert keys(changes) == [f"{PICTURE_STREAM}:refund"]
    assert moved(changes) == {
        (money.available(USER), PAID): 100,
        (money.pending(ARTIST), PAID): -90,
        (money.REVENUE, PAID): -10,
    }
    (event,) = events(changes)
    assert (event.source, event.amount, event.colours) == (PENDING, 100, ((PAID, 100),))
    assert (event.reason, event.note) == ("broken_image", TEXT)
    job = after_picture(completed_picture(), changes).job
    assert (job.status, job.hold) == (JobStatus.COMPLETED, HoldStatus.REFUNDED)


def test_a_refund_after_the_window_comes_from_goodwill() -> None:
    changes = refunded(completed_picture(), REFUNDABLE_UNTIL + MOMENT)
    assert events(changes)[0].source == GOODWILL
    assert moved(changes) == {
        (money.available(USER), PAID): 100,
        (money.GOODWILL, PAID): -90,
        (money.REVENUE, PAID): -10,
    }


def test_a_refund_of_what_was_cleared_early_comes_from_goodwill() -> None:
    """G3: nothing is taken out of pending that is not there any more."""
    done = completed_picture()
    early = after_picture(done, cleared(done))
    assert events(refunded(early, NOW))[0].source == GOODWILL


def test_a_price_goes_back_once() -> None:
    """G7, I8, I11."""
    for now in (NOW, REFUNDABLE_UNTIL + MOMENT):
        back = after_picture(completed_picture(), refunded(completed_picture(), now))
        with pytest.raises(AlreadyRefunded):
            refunded(back, now)


def test_a_refund_is_possible_to_the_last_moment_of_ninety_days() -> None:
    assert refunded(completed_picture(), GOODWILL_UNTIL)
    with pytest.raises(RefundTooLate):
        refunded(completed_picture(), GOODWILL_UNTIL + MOMENT)


def test_what_was_never_captured_is_not_refunded() -> None:
    """I8."""
    for state in (queued_picture(), running_picture(), failed_picture()):
        with pytest.raises(NotRefundable) as refusal:
            refunded(state)
        assert refusal.value.details == {"status": state.job.status.value}
    with pytest.raises(UnknownGeneration):
        refunded(None)


def test_a_refund_into_a_colour_that_expired_meanwhile_lets_it_expire_after_it() -> None:
    state = completed_picture({SOON: 30, PAID: 70})
    changes = refunded(state, NOW + timedelta(days=3))
    assert keys(changes) == [f"{PICTURE_STREAM}:refund", f"expiry-{GENERATION}:expire:{SOON}"]
    sums = moved(changes)
    assert (money.available(USER), SOON) not in sums
    assert sums[money.EXPIRED, SOON] == 30
    assert sums[money.available(USER), PAID] == 70


def test_the_artists_part_is_earned_when_the_window_is_over() -> None:
    done = completed_picture({SOON: 30, PAID: 70})
    assert cleared(done, CLEARS_AT - MOMENT) == []
    changes = cleared(done)
    assert names(changes) == ["EarningsCleared"]
    assert keys(changes) == [f"{PICTURE_STREAM}:clear"]
    assert moved(changes) == {
        (money.pending(ARTIST), PROMO): -27,
        (money.pending(ARTIST), PAID): -63,
        (money.earned(ARTIST), PROMO): 27,
        (money.earned(ARTIST), PAID): 63,
    }
    assert events(changes)[0].amount == 90
    assert cleared(after_picture(done, changes)) == []


def test_a_part_that_went_back_is_not_earned_and_one_that_the_platform_gave_is() -> None:
    """I12."""
    done = completed_picture()
    assert cleared(after_picture(done, refunded(done))) == []
    between = after_picture(done, refunded(done, REFUNDABLE_UNTIL + MOMENT))
    assert moved(cleared(between))[money.earned(ARTIST), PAID] == 90


def test_nothing_is_earned_where_nothing_is_due() -> None:
    for state in (None, running_picture(), failed_picture()):
        assert cleared(state) == []
    done = completed_picture()
    assert done.captured is not None
    undated = replace(done, captured=replace(done.captured, clears_at=None))
    assert cleared(undated, GOODWILL_UNTIL) == []


def test_a_fee_of_all_leaves_the_artist_nothing_to_earn_or_to_give_back() -> None:
    done = completed_picture(terms=replace(TERMS, fee_bps=money.BPS))
    assert cleared(done) == []
    assert moved(refunded(done)) == {
        (money.available(USER), PAID): 100,
        (money.REVENUE, PAID): -100,
    }


def of_account(book: dict[tuple[str, str], int], account: str) -> dict[str, int]:
    return {colour: amount for (of, colour), amount in book.items() if of == account}


def of_colour(book: dict[tuple[str, str], int]) -> Counter[str]:
    sums: Counter[str] = Counter()
    for (_, colour), amount in book.items():
        sums[colour] += amount
    return sums


@given(
    wallet=st.dictionaries(
        st.sampled_from([PAID, PROMO, SOON, FAR]), st.integers(1, 10_000), min_size=1
    ),
    share=st.floats(0, 1),
    fee_bps=st.integers(0, money.BPS),
    days=st.integers(0, 90),
    is_cleared=st.booleans(),
)
def test_hold_capture_and_refund_give_back_exactly_the_price(
    wallet: dict[str, int], share: float, fee_bps: int, days: int, is_cleared: bool
) -> None:
    """G2, G4, I1, I5, I7, I8: in the colours it came in, and the whole book sums to zero."""
    price = max(10, min(10_000, int(share * sum(wallet.values()))))
    if sum(wallet.values()) < price:
        return
    given = {"style": trained(price=price), "terms": replace(TERMS, fee_bps=fee_bps)}
    ordered = order_picture(available=wallet, **given)
    running = running_picture(wallet, **given)
    captured = list(complete_picture(running, now=NOW).changes)
    done = after_picture(running, captured)
    clearing = cleared(done) if is_cleared else []
    done = after_picture(done, clearing)
    back = refunded(done, NOW + timedelta(days=days))

    assert events(back)[0].amount == price
    assert events(back)[0].colours == events(ordered)[1].colours
    assert sum(amount for _, amount in events(back)[0].colours) == price

    changes = [*ordered, *captured, *clearing, *back]
    book = moved(changes)
    assert not any(of_colour(book).values())
    assert of_account(book, money.available(USER)) == {
        colour: -amount for colour, amount in of_account(book, money.EXPIRED).items()
    }
    for account in (money.held(USER), money.REVENUE, money.ISSUANCE):
        assert of_account(book, account) == {}
    kept = [of_account(book, account(ARTIST)) for account in (money.pending, money.earned)]
    given_by_platform = -sum(of_account(book, money.GOODWILL).values())
    assert sum(sum(part.values()) for part in kept) == given_by_platform
    assert len(set(keys(changes))) == len(keys(changes))
