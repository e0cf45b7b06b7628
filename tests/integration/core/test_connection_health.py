"""A connection that lay idle is asked whether it lives; a busy one is spared the round trip."""

from collections.abc import Iterator

import pytest
from django.core.signals import request_started
from django.db import OperationalError, connection, connections

from core.postgres import base

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """Count how often the connection is asked whether it is usable."""
    answers: list[bool] = []
    ask = base.DatabaseWrapper.is_usable

    def is_usable(self: base.DatabaseWrapper) -> bool:
        answers.append(ask(self))
        return answers[-1]

    monkeypatch.setattr(base.DatabaseWrapper, "is_usable", is_usable)
    yield answers
    connection.close()


def request() -> int:
    """Begin a request, and return which server process answers it."""
    request_started.send(sender=None)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def kill(backend: int) -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [backend])


def test_a_busy_connection_is_not_asked(asked: list[bool]) -> None:
    request()

    assert request() == request()
    assert asked == []


def test_an_idle_connection_that_died_is_replaced(
    asked: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "IDLE_SECONDS", 0.0)
    first = request()
    kill(first)

    assert request() != first
    assert asked == [False]


def test_a_busy_connection_that_died_costs_one_request_at_most(asked: list[bool]) -> None:
    first = request()
    kill(first)

    with pytest.raises(OperationalError):
        request()
    assert request() != first
