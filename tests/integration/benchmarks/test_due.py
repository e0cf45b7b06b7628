"""A pass of the timers costs what is due, not what is on record."""

import pytest
from django.db import connections

from benchmarks.due import FINDS, fill, find_all, plans
from tests.databases import Database

ON_RECORD, DUE = 20_000, 200


@pytest.fixture
def filled(database: Database) -> None:
    """Put jobs on record, a hundredth of them due."""
    fill(ON_RECORD, DUE)
    with connections["owner"].cursor() as cursor:
        cursor.execute("analyze generation")


@pytest.mark.usefixtures("filled")
def test_what_is_due_is_found_by_index() -> None:
    told = plans()
    assert told.keys() == FINDS.keys()
    for name, plan in told.items():
        assert f"Index Scan using generation_{name} on generation" in plan, plan
        assert "Seq Scan on generation" not in plan


@pytest.mark.usefixtures("filled")
def test_all_that_is_due_is_found_once_and_nothing_else() -> None:
    assert find_all().found == DUE
    assert find_all().found == 0
