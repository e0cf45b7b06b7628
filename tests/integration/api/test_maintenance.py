"""During maintenance no new job begins and what runs goes on to its end."""

import io
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import maintenance
from core.ids import new_id
from core.models import Role
from tests.callers import Caller, code
from tests.databases import Database
from tests.jobs import (
    Worker,
    announced,
    balance,
    give,
    granted,
    order_picture,
    picture,
    trained_style,
)


@pytest.fixture(autouse=True)
def _forgetful(database: Database) -> Iterator[None]:
    maintenance._cache.clear()
    yield
    maintenance._cache.clear()


@pytest.fixture
def caller(person: Callable[..., Caller]) -> Caller:
    return person()


@pytest.fixture
def artist(person: Callable[..., Caller]) -> Caller:
    return person("ada", Role.ARTIST)


@pytest.fixture
def style() -> UUID:
    return trained_style(new_id())


def switch(action: str) -> str:
    out = io.StringIO()
    call_command("maintenance", action, stdout=out)
    return out.getvalue()


def order(caller: Caller, style: UUID) -> Any:
    return caller(
        "POST",
        "/api/generations/",
        {"style_id": str(style), "prompt": "a fox"},
        headers={"Idempotency-Key": str(uuid4())},
    )


def test_no_new_job_begins_and_a_running_one_ends(caller: Caller, style: UUID) -> None:
    user = caller.user.id
    give(granted(user, 200), running := order_picture(user, style))
    worker = Worker("generation", running.task_id)
    worker.tell("started")
    switch("on")

    refused = order(caller, style)

    assert code(refused) == (503, "maintenance")
    assert refused.headers["Retry-After"] == "60"
    assert refused.json()["error"]["retryable"]
    assert balance(user) == (100, 100)
    worker.upload(picture())
    assert worker.tell("complete", announced(picture())).disposition == "applied"
    assert balance(user) == (100, 0)
    switch("off")
    assert order(caller, style).status_code == 201


@pytest.mark.parametrize(
    "path", ["/api/generations/{id}/retry/", "/api/styles/{id}/train/"], ids=["retry", "train"]
)
def test_every_door_to_a_new_job_is_closed(artist: Caller, path: str) -> None:
    switch("on")

    refused = artist("POST", path.format(id=uuid4()), {}, headers={"Idempotency-Key": str(uuid4())})

    assert code(refused) == (503, "maintenance")


def test_the_command_says_how_it_stands_and_keeps_each_switch() -> None:
    jobs = "Jobs that have not ended: 0 generations, 0 trainings.\n"
    assert switch("status") == f"Maintenance is off.\n{jobs}"
    assert switch("on").startswith("Maintenance is on since 20")
    assert switch("on") == switch("status")
    switch("off")
    with connection.cursor() as cursor:
        cursor.execute("SELECT is_on FROM maintenance_switch ORDER BY id")
        assert cursor.fetchall() == [(True,), (False,)]


def test_another_process_is_heard_within_a_second(database: Database) -> None:
    assert not maintenance.is_on()
    command = [sys.executable, "manage.py", "maintenance", "on"]
    subprocess.run(command, env=database.env, check=True, capture_output=True)
    maintenance._cache.clear()  # as a second later

    assert maintenance.is_on()


def test_most_requests_ask_nothing() -> None:
    maintenance.is_on()

    with CaptureQueriesContext(connection) as queries:
        assert not maintenance.is_on()

    assert len(queries) == 0
