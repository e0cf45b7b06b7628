"""Refusals are counted over all processes, and a count that fails spoils nothing."""

import threading

import pytest
from django.db import connection, connections

from core.ids import new_id
from ledger import refusals
from ledger.handlers import handle
from ledger.orders import Refused
from tests.databases import Database
from tests.integration.ledger.test_handlers import key_of, order_grant, order_transfer


@pytest.mark.usefixtures("database")
def test_each_refusal_is_counted_by_its_code_and_what_is_accepted_is_not() -> None:
    ann, ben = new_id(), new_id()
    handle([order_grant(ann, 100)])
    assert refusals.counted() == {}

    handle([order_transfer(ann, ben, 500), order_transfer(ben, ann, 500)])
    handle(
        [order_transfer(ann, ben, 500), order_transfer(ann, ann, 5), order_transfer(ann, ben, 5)]
    )

    assert refusals.counted() == {"insufficient_tokens": 3, "self_transfer": 1}


@pytest.mark.usefixtures("database")
def test_a_first_answer_given_again_is_no_refusal() -> None:
    ann = new_id()
    order = order_grant(ann, colour="gold", key=key_of(ann))
    for is_replayed in (False, True):
        (result,) = handle([order])
        assert isinstance(result, Refused)
        assert result.replayed is is_replayed
    assert refusals.counted() == {"unknown_colour": 1}


@pytest.mark.usefixtures("database")
def test_counts_of_many_at_once_add_up() -> None:
    def count(first: str, second: str) -> None:
        for _ in range(50):
            refusals.count([first, second, first])
        connection.close()

    threads = [threading.Thread(target=count, args=pair) for pair in [("a", "b"), ("b", "a")] * 2]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert refusals.counted() == {"a": 300, "b": 300}


def test_a_refusal_that_cannot_be_counted_is_answered_all_the_same(database: Database) -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute("DROP TABLE refusal_count")
    ann = new_id()
    (result,) = handle([order_transfer(ann, new_id(), 5)])
    assert isinstance(result, Refused)
    assert result.error.code == "insufficient_tokens"
