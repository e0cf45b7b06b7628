"""Events by type: every event is counted once, whoever else reads it."""

import pytest

from ledger.book import read
from ledger.domain.money import PAID
from projections.event_counts import EventCountsProjector, events_by_type
from projections.follow import catch_up
from projections.rebuild import differences
from tests.integration.projections.pen import Pen, contents, granted, person, transferred

pytestmark = pytest.mark.usefixtures("database")


def test_every_event_is_counted_once_by_its_type() -> None:
    pen, anne, bert = Pen(), person(1), person(2)
    assert events_by_type() == {}
    pen.write(granted(anne, 50, PAID), granted(anne, 1))
    pen.write(granted(bert, 1))
    catch_up()
    pen.write(transferred(anne, bert, 30))
    catch_up()
    catch_up()

    assert events_by_type() == {"TokensGranted": 3, "TokensTransferred": 1}
    assert sum(events_by_type().values()) == sum(one.position for one in read.heads().values())
    assert contents(["event_count"])["event_count"] == [
        "(1,TokensGranted,2)", "(1,TokensTransferred,1)", "(2,TokensGranted,1)",
    ]  # fmt: skip
    assert differences(EventCountsProjector) == []
