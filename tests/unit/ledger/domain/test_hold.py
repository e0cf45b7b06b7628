"""Tokens set aside for a job, and their way out of it: nothing is made, nothing is lost."""

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ledger.domain import money
from ledger.domain.change import Change
from ledger.domain.events import HoldCaptured
from ledger.domain.hold import capture, hold, release
from ledger.domain.money import PAID, PROMO, Colours
from tests.unit.ledger.domain.stories import ARTIST, NOW, STYLE, USER, keys, moved

STREAM = "generation-00000000-0000-0000-0000-0000000000b2"
SOON, FAR = "promo@2027-02-01", "promo@2027-03-01"
COLOURS = st.dictionaries(
    st.sampled_from([PAID, PROMO, SOON, FAR]), st.integers(1, 5_000), min_size=1
).map(lambda amounts: tuple(sorted(amounts.items(), key=lambda item: money.burn_rank(item[0]))))


def captured(colours: Colours, fee_bps: int = 1_000, **given: Any) -> Change:
    event = HoldCaptured(
        user_id=USER,
        artist_id=given.get("artist_id", ARTIST),
        style_id=STYLE,
        amount=money.total(colours),
        colours=colours,
        split=money.split_price(colours=colours, fee_bps=fee_bps),
        refundable_until_at=None,
        clears_at=None,
    )
    return capture(stream=STREAM, event=event)


def held(colours: Colours) -> Change:
    return hold(stream=STREAM, user_id=USER, colours=colours)


def released(colours: Colours, days: int = 0) -> list[Change]:
    return release(
        stream=STREAM,
        user_id=USER,
        colours=colours,
        reason="failed",
        now=NOW + timedelta(days=days),
    )


def test_an_expiring_colour_is_earned_as_promo() -> None:
    change = captured(((SOON, 30), (FAR, 20), (PROMO, 50), (PAID, 100)))
    assert moved([change]) == {
        (money.held(USER), SOON): -30,
        (money.held(USER), FAR): -20,
        (money.held(USER), PROMO): -50,
        (money.held(USER), PAID): -100,
        (money.ISSUANCE, SOON): 30,
        (money.ISSUANCE, FAR): 20,
        (money.ISSUANCE, PROMO): -50,
        (money.pending(ARTIST), PROMO): 90,
        (money.REVENUE, PROMO): 10,
        (money.pending(ARTIST), PAID): 90,
        (money.REVENUE, PAID): 10,
    }
    assert keys([change]) == [f"{STREAM}:capture"]


def test_a_fee_that_rounds_down_to_nothing_and_a_fee_of_all_have_no_empty_line() -> None:
    assert moved([captured(((PAID, 9),))]) == {
        (money.held(USER), PAID): -9,
        (money.pending(ARTIST), PAID): 9,
    }
    assert moved([captured(((PAID, 9),), 10_000, artist_id=None)]) == {
        (money.held(USER), PAID): -9,
        (money.REVENUE, PAID): 9,
    }


def test_a_release_into_a_colour_that_expired_meanwhile_lets_it_expire_after_it() -> None:
    colours = ((SOON, 30), (PAID, 70))
    changes = released(colours, days=2)
    assert keys(changes) == [
        f"{STREAM}:release",
        f"expiry-{STREAM.partition('-')[2]}:expire:{SOON}",
    ]
    assert moved([held(colours), *changes]) == {
        (money.available(USER), SOON): -30,
        (money.EXPIRED, SOON): 30,
    }


@given(colours=COLOURS)
def test_a_hold_and_its_release_undo_each_other(colours: Colours) -> None:
    """G4, I3."""
    assert moved([held(colours), *released(colours)]) == {}


@given(colours=COLOURS, fee_bps=st.integers(0, 10_000))
def test_a_capture_empties_the_hold_into_artist_and_platform(
    colours: Colours, fee_bps: int
) -> None:
    """G2, I5, I7: nothing stays held, and what was paid is what they get."""
    sums = moved([held(colours), captured(colours, fee_bps)])
    assert not [account for account, _ in sums if account == money.held(USER)]
    incomes = (money.pending(ARTIST), money.REVENUE)
    income = {colour: 0 for _, colour in sums}
    for (account, colour), amount in sums.items():
        if account in incomes:
            income[colour] += amount
    assert sum(income.values()) == money.total(colours)
    assert {colour for colour, amount in income.items() if amount} <= {PAID, PROMO}
    assert -sums.get((money.available(USER), PAID), 0) == income.get(PAID, 0)
