"""`manage.py health`: a process that leaves its work undone is told, one that keeps up is not."""

import time
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from consumers import health, timers
from consumers.embedded import EmbeddedBroker
from consumers.relay import Relay
from consumers.topology import TOPOLOGY
from core.ids import new_id
from ledger.terms import terms
from projections.follow import catch_up
from tests.jobs import Worker, give, granted, order_picture, trained_style

pytestmark = pytest.mark.usefixtures("database")


def ordered() -> UUID:
    user = new_id()
    give(granted(user, 100), order := order_picture(user, trained_style(new_id())))
    return order.task_id


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "MOST_SECONDS", 0.0)


def told(process: str) -> str:
    with pytest.raises(CommandError) as error:
        call_command("health", process)
    assert error.value.returncode == 1
    return str(error.value)


def test_projections_that_never_began_are_told() -> None:
    """A process that never came up leaves no checkpoint that could lag."""
    assert told("projections").startswith("projections: never begun: ")


def test_a_relay_that_never_began_is_told() -> None:
    ordered()
    assert "behind the book" in told("consumers")


def test_projections_that_lag_or_stand_still_are_told() -> None:
    catch_up()
    call_command("health", "projections")
    ordered()
    assert "behind the book" in told("projections")
    catch_up()
    call_command("health", "projections")
    with connection.cursor() as cursor:
        cursor.execute(
            "update projection_checkpoint set state = 'stopped', error = 'x'"
            " where projection = 'statement' and shard = 1"
        )
    assert told("projections") == "projections: stopped: statement"


def test_a_relay_that_does_not_publish_is_told() -> None:
    broker = EmbeddedBroker()
    broker.declare(TOPOLOGY)
    relay = Relay(broker)
    ordered()
    relay._renew()
    assert "behind the book" in told("consumers")
    while relay.round():
        pass
    call_command("health", "consumers")
    broker.close()


@pytest.fixture
def _short(settings: Settings) -> Iterator[None]:
    """Let every generation's whole time be over at once."""
    settings.GENERATION_START_SECONDS = settings.GENERATION_RUN_SECONDS = 0.01
    terms.cache_clear()
    yield
    terms.cache_clear()


@pytest.mark.usefixtures("_short")
def test_jobs_that_should_have_ended_are_told() -> None:
    worker = Worker("generation", ordered(), uuid4())
    time.sleep(0.05)
    catch_up()
    assert told("timers") == "timers: open past their deadline: 1 jobs"
    timers.run_once()
    catch_up()
    call_command("health", "timers")
    assert worker.tell("started").disposition == "job_closed"
