"""What a browser is told: who may call from elsewhere, and what an answer may do there."""

from collections.abc import Callable
from typing import Any

import pytest
from pytest_django import Settings

from api.middleware import DATA_ONLY
from tests.callers import Caller, call

APP = "https://app.example"
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization, content-type, idempotency-key",
}


@pytest.fixture(autouse=True)
def allowed(settings: Settings) -> None:
    settings.CORS_ALLOWED_ORIGINS = [APP]


def cors(answer: Any) -> set[str]:
    return {name for name in answer.headers if name.lower().startswith("access-control-")}


def test_a_listed_origin_may_ask_with_a_key() -> None:
    answer = call("OPTIONS", "/api/generations/", headers={"Origin": APP} | PREFLIGHT)

    assert answer.status_code == 200
    assert answer["Access-Control-Allow-Origin"] == APP
    allowed_headers = answer["Access-Control-Allow-Headers"].split(", ")
    assert {"authorization", "idempotency-key", "ledger-position"} <= set(allowed_headers)
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_a_listed_origin_may_read_an_answer_and_its_headers(person: Callable[..., Caller]) -> None:
    answer = person()("GET", "/api/tokens/balance/", headers={"Origin": APP})

    assert answer.status_code == 200
    assert answer["Access-Control-Allow-Origin"] == APP
    assert "Ledger-Position" in answer["Access-Control-Expose-Headers"]


def test_a_listed_origin_may_read_a_refusal() -> None:
    answer = call("GET", "/api/tokens/balance/", headers={"Origin": APP})

    assert answer.status_code == 401
    assert answer["Access-Control-Allow-Origin"] == APP


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://app.example", "null", APP + "."]
)
def test_no_other_origin_may(origin: str) -> None:
    for method, headers in (("OPTIONS", PREFLIGHT), ("GET", {})):
        assert cors(call(method, "/api/styles/", headers={"Origin": origin} | headers)) == set()


def test_nobody_may_unless_the_operator_says_so(settings: Settings) -> None:
    settings.CORS_ALLOWED_ORIGINS = []

    assert cors(call("OPTIONS", "/api/styles/", headers={"Origin": APP} | PREFLIGHT)) == set()


@pytest.mark.parametrize("path", ["/healthz", "/metrics"])
def test_what_is_no_clients_is_not_shared(path: str) -> None:
    assert cors(call("GET", path, headers={"Origin": APP})) == set()


@pytest.mark.parametrize("path", ["/healthz", "/nowhere", "/api/tokens/balance/"])
def test_an_answer_is_data_and_nothing_else(path: str) -> None:
    answer = call("GET", path)

    assert answer["Content-Security-Policy"] == DATA_ONLY
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"


@pytest.mark.parametrize(
    ("url", "expected"), [("https://ledger.example", "max-age=31536000"), ("http://there", None)]
)
def test_who_is_served_by_https_comes_by_https(
    settings: Settings, url: str, expected: str | None
) -> None:
    settings.PUBLIC_URL = url

    assert call("GET", "/healthz").headers.get("Strict-Transport-Security") == expected
