"""Statement and open accounts, folded from a real book."""

import random
from uuid import UUID

import pytest
from django.db import connection

from core.ids import new_id
from ledger.domain.events import HoldCaptured, PersonErased, Sealed, TokensHeld
from ledger.domain.money import ISSUANCE, PAID, PROMO, REVENUE, Entry, available, held, pending
from projections.follow import catch_up
from projections.open_accounts import open_balance
from projections.statement import transactions
from tests.integration.projections.pen import Fact, Pen, granted, person, transferred

ANNE, BERT = person(1), person(2)
ARTIST = person(3)

pytestmark = pytest.mark.usefixtures("database")


def captured(user: UUID, artist: UUID, price: int) -> tuple[Fact, Fact]:
    """Return a hold of `price` promo tokens and its capture, a tenth for the platform."""
    stream = f"generation-{new_id(user)}"
    fee = price // 10
    colours = ((PROMO, price),)
    return (
        Fact(
            stream,
            TokensHeld(user_id=user, amount=price, colours=colours),
            "hold",
            (Entry(available(user), PROMO, -price), Entry(held(user), PROMO, price)),
        ),
        Fact(
            stream,
            HoldCaptured(
                user_id=user,
                artist_id=artist,
                style_id=new_id(artist),
                amount=price,
                colours=colours,
                split=((PROMO, price - fee, fee),),
                refundable_until_at=None,
                clears_at=None,
            ),
            "capture",
            (
                Entry(held(user), PROMO, -price),
                Entry(pending(artist), PROMO, price - fee),
                Entry(REVENUE, PROMO, fee),
            ),
        ),
    )


def test_a_statement_is_newest_first_with_the_balance_after_each_row() -> None:
    pen = Pen()
    pen.write(granted(ANNE, 100))
    pen.write(granted(ANNE, 50, PAID))
    hold, capture = captured(ANNE, ARTIST, 30)
    pen.write(hold)
    pen.write(capture)
    pen.write(granted(BERT, 7, PAID))
    pen.write(transferred(BERT, ANNE, 7))
    catch_up()

    shown = transactions(available(ANNE))

    assert [(one.row.type, one.row.amount, one.balance_after) for one in shown] == [
        ("transfer", 7, 127),
        ("hold", -30, 120),
        ("grant", 50, 150),
        ("grant", 100, 100),
    ]
    assert shown[0].row.shard == 2
    assert (shown[1].row.related_kind, f"generation-{shown[1].row.related_id}") == (
        "generation",
        hold.stream,
    )


def test_pages_of_a_statement_join_without_a_gap_and_balances_go_on() -> None:
    pen = Pen()
    for amount in range(1, 8):
        pen.write(granted(ANNE, amount), granted(ANNE, amount, PAID))
        pen.write(granted(BERT, amount, PAID))
        pen.write(transferred(BERT, ANNE, amount))
    catch_up()

    whole = transactions(available(ANNE))
    parts = transactions(available(ANNE), limit=5)
    while len(parts) < len(whole):
        parts += transactions(available(ANNE), limit=5, before=parts[-1].place)

    assert parts == whole
    assert transactions(available(ANNE), before=whole[-1].place) == []
    running = 0
    for one in reversed(whole):
        running += one.row.amount
        assert one.balance_after == running


def test_an_unknown_account_has_an_empty_statement() -> None:
    catch_up()

    assert transactions(available(ANNE)) == []


def test_the_last_balance_after_is_the_balance_of_the_book() -> None:
    """G11: many transfers both ways between shards, folded in another order than they happened."""
    pen = Pen()
    people = [person(byte) for byte in range(4)]
    for one in people:
        pen.write(granted(one, 1_000, PAID))
    chance = random.Random(7)
    for _ in range(60):
        sender, recipient = chance.sample(people, 2)
        pen.write(transferred(sender, recipient, chance.randint(1, 20)))
    catch_up()

    with connection.cursor() as cursor:
        cursor.execute("select account, sum(amount)::bigint from balance group by account")
        balances = dict(cursor.fetchall())
    for one in people:
        shown = transactions(available(one))
        assert shown[0].balance_after == balances[available(one)]
        assert all(line.balance_after >= 0 for line in shown)


def test_an_open_account_adds_up_what_every_shard_brought() -> None:
    pen = Pen()
    for user in (ANNE, BERT):
        pen.write(granted(user, 100))
        pen.write(*captured(user, ARTIST, 50))
    catch_up()

    assert open_balance(pending(ARTIST)) == {PROMO: 90}
    assert open_balance(REVENUE) == {PROMO: 10}
    assert open_balance(ISSUANCE) == {PROMO: -200}


def test_an_open_balance_is_exact_while_the_projection_is_behind() -> None:
    pen = Pen()
    pen.write(granted(ANNE, 100))
    catch_up()
    pen.write(*captured(ANNE, ARTIST, 50))
    pen.write(granted(BERT, 3, PAID))

    assert open_balance(pending(ARTIST)) == {PROMO: 45}
    assert open_balance(ISSUANCE) == {PROMO: -100, PAID: -3}


def test_a_memo_is_blanked_when_its_writer_is_erased() -> None:
    """G14."""
    pen = Pen()
    pen.write(granted(ANNE, 10, PAID, memo=Sealed("b3BlcmF0b3I=", new_id())))
    pen.write(granted(BERT, 10, PAID))
    pen.write(transferred(ANNE, BERT, 4, memo=Sealed("c2VjcmV0", new_id())))
    pen.write(transferred(BERT, ANNE, 1, memo=Sealed("b3RoZXI=", new_id())))
    catch_up()
    assert transactions(available(BERT))[1].row.memo == "c2VjcmV0"

    pen.write(Fact(f"account-{ANNE}", PersonErased(user_id=ANNE, reason="asked")))
    catch_up()

    assert [one.row.memo for one in transactions(available(BERT))] == ["b3RoZXI=", None, None]
    assert [one.row.memo for one in transactions(available(ANNE))] == ["b3RoZXI=", None, None]
