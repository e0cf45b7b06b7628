"""Rebuilding and comparing by replay, on a real book."""

import pytest
from django.core.management import call_command
from django.db import connection

from ledger.domain.money import PAID, available
from projections import checkpoints
from projections.catalogue import PROJECTORS
from projections.follow import catch_up
from projections.open_accounts import OpenAccountsProjector
from projections.rebuild import RebuildUnfinished, differences, rebuild
from projections.statement import StatementProjector, transactions
from projections.styles import StylesProjector
from tests.integration.projections.pen import Pen, contents, granted, person
from tests.integration.projections.stories import StyleStory

ANNE, BERT = person(1), person(2)

pytestmark = pytest.mark.usefixtures("database")


def execute(statement: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return int(cursor.rowcount)


def test_a_row_that_was_tampered_with_is_found() -> None:
    """G11, I10."""
    pen = Pen()
    pen.write(granted(ANNE, 5))
    pen.write(granted(BERT, 6))
    catch_up()
    assert execute("update statement_row set amount = 7 where shard = 1") == 1

    found = differences(StatementProjector)

    assert [(one.table, one.shard, one.position, one.is_live) for one in found] == [
        ("statement_row", 1, 1, True),
        ("statement_row", 1, 1, False),
    ]
    assert ",7,promo," in found[0].row
    assert ",5,promo," in found[1].row


@pytest.mark.parametrize(
    "tampering",
    [
        "delete from open_account where amount = -6",
        "insert into open_account values (5, 'platform/goodwill', 'paid', 1)",
        "update open_account set account = 'platform/expired' where amount = -6",
    ],
)
def test_a_row_too_many_or_too_few_is_found(tampering: str) -> None:
    pen = Pen()
    pen.write(granted(ANNE, 5))
    pen.write(granted(BERT, 6))
    catch_up()
    execute(tampering)

    assert differences(OpenAccountsProjector)
    rebuild(OpenAccountsProjector)
    assert differences(OpenAccountsProjector) == []


def test_comparing_leaves_the_live_rows_and_checkpoints_alone() -> None:
    pen = Pen()
    pen.write(granted(ANNE, 5))
    catch_up()
    pen.write(granted(ANNE, 6))
    tables = ["statement_row", "statement_total", "projection_checkpoint"]
    before = contents(tables)

    assert differences(StatementProjector) == []

    assert contents(tables) == before
    assert transactions(available(ANNE))[0].balance_after == 5


def test_long_shards_are_compared_page_by_page() -> None:
    pen = Pen()
    for _ in range(21):
        pen.write(*[granted(ANNE, 1, PAID) for _ in range(100)])
    catch_up()
    reached: list[tuple[int, int]] = []

    assert differences(StatementProjector, on_page=lambda *place: reached.append(place)) == []

    assert reached == [(1, 1_000), (1, 2_000)]
    assert differences(OpenAccountsProjector) == []


def test_an_interrupted_rebuild_is_followed_by_nobody_until_it_is_done_again() -> None:
    pen = Pen()
    style = StyleStory(ANNE)
    pen.write(granted(ANNE, 100), *style.whole())
    catch_up()
    expected = contents(["style", "style_image"])
    checkpoints.close(StylesProjector)
    execute("delete from style_image")
    catch_up()
    assert contents(["style_image"]) == {"style_image": []}
    with pytest.raises(RebuildUnfinished):
        differences(StylesProjector)

    rebuild(StylesProjector)

    assert contents(["style", "style_image"]) == expected


def test_an_operator_rebuilds_by_name() -> None:
    pen = Pen()
    pen.write(granted(ANNE, 5))
    catch_up()
    execute("update statement_total set amount = 7")

    call_command("projections", rebuild="statement")

    assert transactions(available(ANNE))[0].balance_after == 5


def test_a_rebuild_lets_stopped_shards_go_on() -> None:
    pen = Pen()
    pen.write(granted(ANNE, 5))
    checkpoints.ensure(PROJECTORS)
    checkpoints.stop(StatementProjector, 1, 0, "a defect that was mended")

    rebuild(StatementProjector)

    assert transactions(available(ANNE))[0].balance_after == 5
