"""Accounts, colours, burn order and the fee."""

from datetime import UTC, date, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain import money
from ledger.domain.errors import AmountOutOfRange, InsufficientTokens, InvariantBroken
from ledger.domain.money import PAID, PROMO, Entry, burn, check_movement, is_expired, split_price

NOW = datetime(2027, 1, 31, 12, tzinfo=UTC)
USER = UUID(int=1)
COLOURS = st.sampled_from(
    [PAID, PROMO, "promo@2027-01-30", "promo@2027-01-31", "promo@2027-02-01", "promo@2028-01-01"]
)
WALLETS = st.dictionaries(COLOURS, st.integers(0, 10_000))


@pytest.mark.parametrize("account", [money.available, money.held, money.earned, money.payout])
def test_spendable_accounts_are_guarded(account: object) -> None:
    assert callable(account)
    assert money.is_guarded(account(USER))


@pytest.mark.parametrize(
    "account",
    [
        money.pending(USER),
        money.ISSUANCE,
        money.REVENUE,
        money.GOODWILL,
        money.EXPIRED,
        money.PAID_OUT,
    ],
)
def test_income_and_platform_accounts_are_open(account: str) -> None:
    assert not money.is_guarded(account)


@pytest.mark.parametrize("colour", ["paid", "promo", "promo@2027-01-31", "promo@2028-02-29"])
def test_these_are_colours(colour: str) -> None:
    assert money.is_colour(colour)


@pytest.mark.parametrize(
    "colour",
    [
        "",
        "gold",
        "promo@",
        "promo@2027-02-29",
        "promo@20270131",
        "paid@2027-01-31",
        "promo@2027-1-1",
    ],
)
def test_these_are_no_colours(colour: str) -> None:
    assert not money.is_colour(colour)


def test_an_expiring_colour_lives_to_the_end_of_its_day_in_utc() -> None:
    colour = money.expiring(date(2027, 1, 31))
    assert not is_expired(colour, now=datetime(2027, 1, 31, 23, 59, 59, tzinfo=UTC))
    assert is_expired(colour, now=datetime(2027, 2, 1, tzinfo=UTC))
    korea = timezone(timedelta(hours=9))
    assert not is_expired(colour, now=datetime(2027, 2, 1, 8, 59, tzinfo=korea))


def test_lasting_colours_never_expire() -> None:
    assert not is_expired(PAID, now=NOW)
    assert not is_expired(PROMO, now=NOW)


def test_the_burn_order_is_soonest_expiring_promo_then_promo_then_paid() -> None:
    wallet = {PAID: 5, PROMO: 5, "promo@2028-01-01": 5, "promo@2027-02-01": 5}
    assert burn(available=wallet, amount=18, now=NOW) == (
        ("promo@2027-02-01", 5),
        ("promo@2028-01-01", 5),
        (PROMO, 5),
        (PAID, 3),
    )


def test_expired_tokens_pay_nothing() -> None:
    wallet = {"promo@2027-01-30": 50, PAID: 10}
    assert burn(available=wallet, amount=10, now=NOW) == ((PAID, 10),)


def test_too_few_tokens_say_how_many_are_missing() -> None:
    with pytest.raises(InsufficientTokens) as refusal:
        burn(available={PAID: 30, "promo@2027-01-30": 500}, amount=100, now=NOW)
    assert refusal.value.details == {"required": 100, "available": 30, "shortfall": 70}


@given(wallet=WALLETS, amount=st.integers(1, 30_000))
def test_a_burn_takes_exactly_the_amount_and_no_more_than_there_is(
    wallet: dict[str, int], amount: int
) -> None:
    usable = sum(have for colour, have in wallet.items() if not is_expired(colour, now=NOW))
    if amount > usable:
        with pytest.raises(InsufficientTokens) as refusal:
            burn(available=wallet, amount=amount, now=NOW)
        assert refusal.value.details["shortfall"] == amount - usable
        return
    burnt = burn(available=wallet, amount=amount, now=NOW)
    assert money.total(burnt) == amount
    assert all(0 < taken <= wallet[colour] for colour, taken in burnt)
    assert all(wallet[colour] == taken for colour, taken in burnt[:-1])


@given(
    wallet=st.dictionaries(COLOURS, st.integers(1, 1_000_000), min_size=1),
    fee_bps=st.integers(0, 10_000),
)
def test_a_split_conserves_the_price_and_rounds_the_fee_down(
    wallet: dict[str, int], fee_bps: int
) -> None:
    """I7: artist + platform = captured."""
    colours = tuple(wallet.items())
    parts = split_price(colours=colours, fee_bps=fee_bps)
    assert sum(artist + fee for _, artist, fee in parts) == money.total(colours)
    for colour, artist, fee in parts:
        assert not money.is_expiring(colour)
        assert fee * 10_000 <= (artist + fee) * fee_bps < (fee + 1) * 10_000


def test_expiring_colours_are_earned_as_promo() -> None:
    colours = (("promo@2027-02-01", 30), (PROMO, 70), (PAID, 99))
    assert split_price(colours=colours, fee_bps=1000) == ((PROMO, 90, 10), (PAID, 90, 9))


def test_a_movement_sums_to_zero_per_colour() -> None:
    """G2, I1."""
    check_movement(())
    check_movement((Entry("a", PAID, -5), Entry("b", PAID, 5)))
    with pytest.raises(InvariantBroken):
        check_movement((Entry("a", PAID, -5), Entry("b", PROMO, 5)))


@pytest.mark.parametrize(
    "entry", [Entry("a", PAID, 0), Entry("a", PAID, 1_000_000_001), Entry("a", "gold", 1)]
)
def test_an_entry_has_a_size_and_a_colour(entry: Entry) -> None:
    with pytest.raises(InvariantBroken):
        check_movement((entry, Entry("b", entry.colour, -entry.amount)))


def test_an_amount_is_at_least_one_and_at_most_a_milliard() -> None:
    assert money.check_amount(1) == 1
    assert money.check_amount(1_000_000_000) == 1_000_000_000
    for amount in (0, -1, 1_000_000_001):
        with pytest.raises(AmountOutOfRange):
            money.check_amount(amount)
