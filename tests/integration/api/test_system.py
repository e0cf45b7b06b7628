"""Health, readiness, the schema and the page that shows it."""

import re
import socket

import orjson
import pytest
from django.db import OperationalError, connections
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.validation import validate_schema
from pytest_django import Settings

from api import schema, system
from consumers.amqp import parameters_of
from core.logs import configure
from tests.callers import call, code
from tests.databases import Database


@pytest.mark.parametrize("path", ["/healthz", "/healthz/"])
def test_a_living_process_says_so_without_its_database(path: str) -> None:
    assert call("GET", path).json() == {"status": "ok"}


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("path", ["/readyz", "/readyz/"])
def test_a_migrated_database_is_ready(path: str, settings: Settings) -> None:
    settings.AMQP_URL = ""

    assert call("GET", path).json() == {
        "status": "ok",
        "checks": {"database": "ok", "migrations": "ok", "session": "ok", "broker": "ok"},
    }


def test_a_missing_migration_is_not_ready(database: Database, settings: Settings) -> None:
    settings.AMQP_URL = ""
    with connections["owner"].cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'core'")

    response = call("GET", "/readyz")

    assert code(response) == (503, "not_ready")
    assert response.json()["error"]["details"]["migrations"] == "pending"
    assert response["Retry-After"] == "1"


@pytest.mark.usefixtures("database")
def test_a_broker_that_listens_is_enough(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        settings.AMQP_URL = f"amqp://guest:guest@127.0.0.1:{port}/"

        assert call("GET", "/readyz").json()["checks"]["broker"] == "ok"


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("url", ["amqp://u:p@{}:1,{}:{port}/v", "amqp://{}:{port},amqp://{}:1/"])
def test_one_node_of_a_cluster_is_enough(settings: Settings, url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        here = "127.0.0.1"
        settings.AMQP_URL = url.format(here, here, port=listening.getsockname()[1])

        assert call("GET", "/readyz").json()["checks"]["broker"] == "ok"


@pytest.mark.parametrize(
    "url",
    [
        "amqp://u:p@one:5673/v",
        "amqp://u:p@one:1,two/v",
        "amqp://one:1,two:2",
        "amqp://u:p@one:1/v, amqps://w:p@two/x?heartbeat=9",
        "amqps://u:p@one,[::1]:7",
    ],
)
def test_the_hosts_of_the_broker_are_those_that_are_dialled(url: str) -> None:
    dialled = [(one.host, one.port) for one in parameters_of(url)]

    assert system.amqp_addresses(url) == dialled


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(
    "url", ["amqp://u:p@127.0.0.1:1/", "amqp://127.0.0.1:1,[::1]:1", "amqp://one:x"]
)
def test_an_unreachable_broker_is_not_ready(settings: Settings, url: str) -> None:
    settings.AMQP_URL = url

    response = call("GET", "/readyz")

    assert response.json()["error"]["details"]["broker"] == "unreachable"


def test_an_unreachable_database_is_not_ready_and_its_address_stays_ours(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> str:
        raise OperationalError("connection to 10.0.0.1 failed")

    settings.AMQP_URL = ""
    checks = {"database": fail, "migrations": fail}
    monkeypatch.setattr(system, "CHECKS", checks)

    response = call("GET", "/readyz")

    assert response.json()["error"]["details"] == dict.fromkeys(checks, "unreachable")
    assert b"10.0.0.1" not in response.content


@pytest.mark.usefixtures("database")
def test_a_session_that_may_change_the_book_is_not_ready(
    settings: Settings, database: Database
) -> None:
    """G1: whoever may UPDATE the book must not serve it."""
    settings.AMQP_URL = ""
    with connections["owner"].cursor() as cursor:
        cursor.execute("GRANT UPDATE ON event TO ledger_app")

    response = call("GET", "/readyz")

    assert response.json()["error"]["details"]["session"] == "unfit"


def test_the_schema_names_the_routes_their_keys_and_the_shape_of_errors() -> None:
    document = call("GET", "/api/schema/").json()

    assert document["openapi"].startswith("3.")
    sign_up = document["paths"]["/api/auth/signup/"]["post"]
    assert sign_up["responses"].keys() == {"201", "default"}
    assert {} in sign_up["security"]
    me = document["paths"]["/api/auth/me/"]["get"]
    assert me["security"] == [{"apiKey": []}, {"session": []}]
    error = document["components"]["schemas"]["Error"]["properties"]["error"]
    assert error["required"] == ["code", "message", "details", "retryable", "request_id"]


def test_the_schema_tells_where_a_path_is_open_and_where_a_key_makes_repeats_safe() -> None:
    paths = call("GET", "/api/schema/").json()["paths"]

    styles = paths["/api/styles/"]
    assert {} in styles["get"]["security"]
    assert {} not in styles["post"]["security"]
    assert [one["name"] for one in styles["post"]["parameters"]] == ["Idempotency-Key"]
    assert "parameters" not in paths["/api/auth/keys/"]["post"]
    listed = paths["/api/auth/keys/"]["get"]["parameters"]
    assert [one["name"] for one in listed] == ["cursor", "limit"]
    assert "parameters" not in paths["/api/auth/me/"]["get"]


def test_the_schema_is_valid_and_nothing_in_it_was_guessed() -> None:
    GENERATOR_STATS.reset()

    validate_schema(orjson.loads(schema.document.__wrapped__()))

    assert (GENERATOR_STATS._error_cache, GENERATOR_STATS._warn_cache) == ({}, {})


def test_the_docs_page_needs_no_other_server() -> None:
    page = call("GET", "/api/docs/")

    assert page["Content-Type"] == "text/html; charset=utf-8"
    assert page["Content-Security-Policy"].startswith("default-src 'none'")
    content = page.content.decode()
    for name in re.findall(r'(?:src|href)="([^"]+)"', content):
        assert not name.startswith(("http:", "https:", "//"))
        assert call("GET", f"/api/docs/{name}").status_code in {200, 404}
    for name in ("docs.js", "docs.css"):
        assert call("GET", f"/api/docs/{name}").status_code == 200
        assert b"http" not in call("GET", f"/api/docs/{name}").content


@pytest.mark.parametrize("name", ["other.js", "..%2Fauth.py", "%2e%2e", "index.html%00"])
def test_the_docs_page_serves_its_own_files_only(name: str) -> None:
    assert code(call("GET", f"/api/docs/{name}")) == (404, "not_found")


def test_a_request_is_logged_by_its_route_and_not_by_its_path(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure({"level": "INFO"})

    call("GET", "/files/a-secret-token")

    lines = capsys.readouterr().err
    assert "files/<str:token>" in lines
    assert "a-secret-token" not in lines
