"""How many requests a caller may send (design section 10): 429 with Retry-After beyond."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.conf import settings as configured
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from api.throttling import PerCaller
from api.urls import urlpatterns
from consumers import timers
from core import throttles
from core.throttles import Rate
from tests.callers import Caller, call, code

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(autouse=True)
def new_process() -> Iterator[None]:
    throttles.forget_here()
    yield
    throttles.forget_here()


def throttle(settings: Settings, **rates: Rate) -> None:
    settings.THROTTLES = dict.fromkeys(configured.THROTTLES) | rates


def limits(response: Any) -> tuple[int, int]:
    """Return limit and remaining, after a look at the reset."""
    assert 1 <= int(response["X-RateLimit-Reset"]) <= 60
    return int(response["X-RateLimit-Limit"]), int(response["X-RateLimit-Remaining"])


def test_an_account_is_throttled_by_itself(
    settings: Settings, person: Callable[..., Caller]
) -> None:
    throttle(settings, user=Rate(3, 60))
    mina, jun = person("mina"), person("jun")

    allowed = [mina("GET", "/api/auth/me/") for _ in range(3)]
    refused = mina("GET", "/api/auth/me/")

    assert [(one.status_code, *limits(one)) for one in allowed] == [
        (200, 3, 2),
        (200, 3, 1),
        (200, 3, 0),
    ]
    assert code(refused) == (429, "throttled")
    assert limits(refused) == (3, 0)
    assert refused["Retry-After"] == refused["X-RateLimit-Reset"]
    assert refused.json()["error"]["retryable"] is True
    assert refused.json()["error"]["details"] == {"limit": 3, "period_seconds": 60}
    assert jun("GET", "/api/auth/me/").status_code == 200


def test_the_anonymous_are_throttled_by_address(settings: Settings) -> None:
    throttle(settings, address=Rate(1, 60))

    def status(address: str) -> int:
        client = Client(REMOTE_ADDR=address)
        return int(call("GET", "/api/styles/", client=client).status_code)

    assert [status("192.0.2.1"), status("192.0.2.1"), status("192.0.2.2")] == [200, 429, 200]
    assert [status("2001:db8::1"), status("2001:db8::2"), status("2001:db8:0:1::1")] == [
        200,
        429,
        200,
    ], "an IPv6 subscriber has a /64"
    assert [status(""), status("")] == [200, 429], "a server behind a socket names none"


def test_orders_have_a_rate_of_their_own_and_reading_does_not_count(
    settings: Settings, person: Callable[..., Caller]
) -> None:
    mina = person()
    throttle(settings, user=Rate(600, 60), generations=Rate(2, 60))
    headers = {"Idempotency-Key": "one"}

    first = mina("POST", "/api/generations/", {}, headers=headers)
    for _ in range(3):
        assert mina("GET", "/api/generations/").status_code == 200
    second = mina("POST", f"/api/generations/{mina.user.id}/retry/", {}, headers=headers)
    refused = mina("POST", "/api/generations/", {}, headers=headers)

    assert code(first) == (422, "invalid_fields")
    assert code(second) == (404, "generation_not_found")
    assert limits(first) == (2, 1), "the throttle nearest to its end is told"
    assert code(refused) == (429, "throttled")
    assert mina("GET", "/api/auth/me/").status_code == 200


def test_sign_ups_from_one_address_are_few(settings: Settings) -> None:
    throttle(settings, signup=Rate(1, 60))

    assert code(call("POST", "/api/auth/signup/", {})) == (422, "invalid_fields")
    assert code(call("POST", "/api/auth/signup/", {})) == (429, "throttled")


def test_off_counts_nothing_and_tells_nothing(
    settings: Settings, person: Callable[..., Caller]
) -> None:
    throttle(settings)

    response = person()("GET", "/api/auth/me/")

    assert "X-RateLimit-Limit" not in response
    assert stored() == 0


def test_machines_are_never_throttled_and_every_other_view_is() -> None:
    views = {
        pattern.callback.view_class
        for pattern in urlpatterns
        if hasattr(pattern.callback, "view_class")
    }

    assert {view.__name__ for view in views if PerCaller not in view.throttle_classes} == {
        "CallbackView",
        "HealthView",
        "MetricsView",
        "PaymentWebhookView",
        "ReadyView",
        "TasksView",
    }


def test_health_is_never_throttled(settings: Settings) -> None:
    throttle(settings, address=Rate(1, 60))

    assert [call("GET", "/healthz").status_code for _ in range(3)] == [200] * 3


def test_processes_share_one_count() -> None:
    for _ in range(3):
        assert throttles.take("user", "mina", Rate(3, 60)).is_allowed
        throttles.forget_here()  # as another process, which knows the table alone

    assert not throttles.take("user", "mina", Rate(3, 60)).is_allowed
    assert throttles.take("address", "mina", Rate(3, 60)).is_allowed


@pytest.mark.parametrize("limit", [19, 60])
def test_threads_at_once_get_exactly_the_rate(limit: int) -> None:
    """A block that one thread has just taken may serve the others a moment later."""

    def one(_: int) -> bool:
        try:
            return throttles.take("user", "mina", Rate(limit, 60)).is_allowed
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        at_once = sum(pool.map(one, range(100)))
    afterwards = sum(one(number) for number in range(limit))

    assert at_once + afterwards == limit
    assert limit >= throttles.BLOCKS or at_once == limit


def test_of_blocks_taken_at_once_none_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    real, both = throttles._from_table, Barrier(2)

    def at_once(name: bytes, rate: Rate) -> Any:
        block = real(name, rate)
        both.wait(10)
        return block

    def one(_: int) -> bool:
        try:
            return throttles.take("user", "mina", Rate(60, 60)).is_allowed
        finally:
            connections.close_all()

    with monkeypatch.context() as patch, ThreadPoolExecutor(2) as pool:
        patch.setattr(throttles, "_from_table", at_once)
        assert list(pool.map(one, range(2))) == [True, True]

    assert sum(one(number) for number in range(60)) == 58


def test_a_wide_rate_costs_a_query_per_block_and_a_flood_costs_none() -> None:
    rate = Rate(100, 60)
    with CaptureQueriesContext(connection) as within:
        taken = [throttles.take("user", "mina", rate) for _ in range(100)]
    with CaptureQueriesContext(connection) as beyond:
        refused = [throttles.take("user", "mina", rate) for _ in range(100)]

    assert [one.remaining for one in taken] == list(range(99, -1, -1))
    assert len(within) == throttles.BLOCKS
    assert not any(one.is_allowed for one in refused)
    assert len(beyond) == 0


def test_a_window_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    assert throttles.take("user", "mina", Rate(1, 60)).is_allowed
    assert not throttles.take("user", "mina", Rate(1, 60)).is_allowed
    end_windows()
    assert not throttles.take("user", "mina", Rate(1, 60)).is_allowed, "this process knows"

    later = time.monotonic() + 61
    monkeypatch.setattr(time, "monotonic", lambda: later)

    assert throttles.take("user", "mina", Rate(1, 60)).is_allowed
    assert not throttles.take("user", "mina", Rate(1, 60)).is_allowed


def test_timers_clear_ended_windows_away() -> None:
    throttles.take("user", "mina", Rate(1, 60))
    end_windows()
    throttles.take("user", "jun", Rate(1, 60))

    timers.run_once()

    assert stored() == 1


def test_a_process_knows_few_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttles, "MAX_NAMES", 2)
    for name in ("mina", "jun", "eun"):
        throttles.take("user", name, Rate(100, 60))

    with CaptureQueriesContext(connection) as queries:
        throttles.take("user", "eun", Rate(100, 60))
        throttles.take("user", "mina", Rate(100, 60))

    assert len(queries) == 1, "the name longest unused was forgotten"


def test_the_table_tells_no_name() -> None:
    throttles.take("login", "mina@example.org", Rate(1, 60))

    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM throttle")
        assert b"mina" not in bytes(cursor.fetchone()[0])


def end_windows() -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE throttle SET ends_at = now() - interval '1 second'")


def stored() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM throttle")
        return int(cursor.fetchone()[0])
