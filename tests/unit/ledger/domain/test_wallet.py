"""Grants, transfers, and tokens whose last day is over."""

from typing import Any

import pytest

from ledger.domain import money, wallet
from ledger.domain.errors import (
    AmountOutOfRange,
    InsufficientTokens,
    SelfTransfer,
    UnknownColour,
    UnknownRecipient,
)
from ledger.domain.money import PAID, PROMO
from ledger.domain.wallet import ExpireTokens, GrantTokens, TransferTokens
from tests.unit.ledger.domain.stories import LATER, NOW, TEXT, USER, UUID, events, keys, moved

GRANT, TRANSFER, FRIEND = UUID(int=1), UUID(int=2), UUID(int=3)
OLD = "promo@2027-01-30"


def grant(**given: Any) -> GrantTokens:
    defaults = {"amount": 100, "colour": PROMO, "reason": wallet.WELCOME}
    return GrantTokens(**{"grant_id": GRANT, "user_id": USER, **defaults, **given})


def transfer(**given: Any) -> TransferTokens:
    defaults = {"user_id": USER, "recipient_id": FRIEND, "amount": 40}
    return TransferTokens(**{"transfer_id": TRANSFER, **defaults, **given})


def test_a_grant_mints_tokens_into_the_wallet() -> None:
    changes = wallet.grant_tokens(grant(), now=NOW)
    assert moved(changes) == {(money.available(USER), PROMO): 100, (money.ISSUANCE, PROMO): -100}
    assert keys(changes) == [f"grant-{GRANT}:grant"]
    assert changes[0].event.reason == "welcome"


@pytest.mark.parametrize("amount", [0, -5, 1_000_000_001])
def test_a_grant_of_no_or_too_many_tokens_is_refused(amount: int) -> None:
    with pytest.raises(AmountOutOfRange):
        wallet.grant_tokens(grant(amount=amount), now=NOW)


@pytest.mark.parametrize("colour", ["gold", OLD, "promo@2027-13-01"])
def test_tokens_of_no_colour_or_of_an_expired_one_are_not_granted(colour: str) -> None:
    with pytest.raises(UnknownColour):
        wallet.grant_tokens(grant(colour=colour), now=NOW)


def test_a_grant_to_nobody_is_refused() -> None:
    with pytest.raises(UnknownRecipient):
        wallet.grant_tokens(grant(has_wallet=False), now=NOW)


def test_a_transfer_to_nobody_is_refused_whatever_there_is_to_send() -> None:
    with pytest.raises(UnknownRecipient):
        wallet.transfer_tokens(transfer(has_wallet=False), now=NOW, available={})


def test_a_transfer_moves_paid_tokens_to_another_wallet() -> None:
    changes = wallet.transfer_tokens(transfer(memo=TEXT), now=NOW, available={PAID: 40, PROMO: 9})
    assert moved(changes) == {
        (money.available(USER), PAID): -40,
        (money.available(FRIEND), PAID): 40,
    }
    assert keys(changes) == [f"transfer-{TRANSFER}:transfer"]


def test_promo_tokens_cannot_be_transferred() -> None:
    with pytest.raises(InsufficientTokens) as refusal:
        wallet.transfer_tokens(transfer(), now=NOW, available={PAID: 39, PROMO: 500})
    assert refusal.value.details == {"required": 40, "available": 39, "shortfall": 1}


def test_a_wallet_without_paid_tokens_has_none_to_transfer() -> None:
    with pytest.raises(InsufficientTokens):
        wallet.transfer_tokens(transfer(amount=1), now=NOW, available={})


def test_a_transfer_to_oneself_is_refused() -> None:
    with pytest.raises(SelfTransfer):
        wallet.transfer_tokens(transfer(recipient_id=USER), now=NOW, available={PAID: 100})


def test_a_transfer_of_no_tokens_is_refused() -> None:
    with pytest.raises(AmountOutOfRange):
        wallet.transfer_tokens(transfer(amount=0), now=NOW, available={PAID: 100})


def test_expired_tokens_that_a_transfer_meets_leave_the_wallet_first() -> None:
    changes = wallet.transfer_tokens(
        transfer(), now=NOW, available={PAID: 40, OLD: 7, "promo@2027-01-01": 2}
    )
    assert keys(changes) == [
        f"expiry-{TRANSFER}:expire:promo@2027-01-01",
        f"expiry-{TRANSFER}:expire:{OLD}",
        f"transfer-{TRANSFER}:transfer",
    ]
    assert moved(changes)[money.EXPIRED, OLD] == 7
    assert changes[0].event.met_by == f"transfer-{TRANSFER}"


def test_only_what_is_there_and_over_expires() -> None:
    colours = ((OLD, 0), (PAID, 5), ("promo@2027-01-31", 5))
    assert wallet.expire_tokens(user_id=USER, colours=colours, met_by="x-1", now=NOW) == []


def test_an_expiry_is_no_larger_than_a_movement_may_be() -> None:
    colours = ((OLD, money.MAX_AMOUNT + 5),)
    (change,) = wallet.expire_tokens(user_id=USER, colours=colours, met_by="x-1", now=NOW)
    assert change.event.amount == money.MAX_AMOUNT


def test_a_wallet_stream_shows_its_last_event_and_when_it_was() -> None:
    (event,) = events(wallet.grant_tokens(grant(), now=NOW))
    assert wallet.evolve(None, event, LATER) == wallet.WalletMove(event=event, moved_at=LATER)


def test_the_timer_takes_every_colour_out_whose_last_day_is_over() -> None:
    command = ExpireTokens(expiry_id=UUID(int=4), user_id=USER)
    wallet_now = {PAID: 5, PROMO: 6, "promo@2027-01-31": 7, OLD: 8, "promo@2026-12-31": 9}
    changes = wallet.expire_wallet(command, now=NOW, available=wallet_now)
    assert keys(changes) == [
        f"expiry-{UUID(int=4)}:expire:promo@2026-12-31",
        f"expiry-{UUID(int=4)}:expire:{OLD}",
    ]
    assert moved(changes) == {
        (money.available(USER), "promo@2026-12-31"): -9,
        (money.EXPIRED, "promo@2026-12-31"): 9,
        (money.available(USER), OLD): -8,
        (money.EXPIRED, OLD): 8,
    }
    assert {event.met_by for event in events(changes)} == {None}


def test_the_timer_leaves_a_wallet_alone_that_has_nothing_over() -> None:
    """G7: so it may run twice."""
    command = ExpireTokens(expiry_id=UUID(int=4), user_id=USER)
    for left in ({}, {PAID: 5, OLD: 0, "promo@2027-01-31": 7}):
        assert wallet.expire_wallet(command, now=NOW, available=left) == []
