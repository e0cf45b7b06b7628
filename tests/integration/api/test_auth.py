"""Signing up and in, and API keys (design section 10)."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import psycopg2
import pytest
from django.db import IntegrityError, OperationalError, connection, connections, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from api import accounts, welcome
from core.keys import authenticate, authenticate_many, issue
from core.models import ApiKey, PersonKey, User
from core.throttles import Rate, forget_here
from ledger.orders import Busy, Refused
from tests.callers import Caller, call, code, faults
from tests.databases import Database

PASSWORD = "correct horse battery"
SIGN_UP = {"username": "Mina", "email": "mina@example.org", "password": PASSWORD}

pytestmark = pytest.mark.usefixtures("database")


GUESSES = Rate(10, 60)


@pytest.fixture
def few_guesses(settings: Settings) -> Iterator[None]:
    settings.THROTTLES = settings.THROTTLES | {"login": GUESSES}
    forget_here()
    yield
    forget_here()


def sign_up(**changes: Any) -> Any:
    return call("POST", "/api/auth/signup/", SIGN_UP | changes)


def test_signing_up_gives_an_account_and_a_key_that_works() -> None:
    response = sign_up()

    assert response.status_code == 201
    answer = response.json()
    assert answer["user"] | {"id": 0, "created_at": 0} == {
        "id": 0,
        "username": "Mina",
        "email": "mina@example.org",
        "role": "user",
        "artist_name": "",
        "created_at": 0,
    }
    me = call("GET", "/api/auth/me/", key=answer["api_key"])
    assert me.json()["user"] == answer["user"]
    assert me.json()["scopes"] == ["read", "write"]


def test_the_key_and_the_password_are_not_in_the_database() -> None:
    key = sign_up().json()["api_key"]

    stored = ApiKey.objects.get()
    assert len(stored.digest) == 64
    assert key not in stored.digest
    assert User.objects.get().password.startswith("argon2$argon2id$")


def test_signing_up_makes_the_persons_key() -> None:
    """G14: whatever the person will write is sealed under it."""
    user_id = sign_up().json()["user"]["id"]

    assert str(PersonKey.objects.get().user_id) == user_id


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"username": "mINA", "email": "b@example.org"}, {"username": ["taken"]}),
        ({"username": "b", "email": "MINA@example.ORG"}, {"email": ["taken"]}),
    ],
)
def test_names_are_unique_whatever_their_case(
    changes: dict[str, str], expected: dict[str, list[str]]
) -> None:
    assert sign_up().status_code == 201

    assert faults(sign_up(**changes)) == expected
    assert User.objects.count() == 1


def test_of_two_who_race_for_a_name_one_gets_it() -> None:
    def race(number: int) -> int:
        try:
            return int(sign_up(email=f"{number}@example.org").status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        statuses = sorted(pool.map(race, range(4)))

    assert statuses == [201, 422, 422, 422]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"username": ""}, {"username": ["blank"]}),
        ({"username": 5}, {"username": ["invalid_string"]}),
        ({"username": "a b"}, {"username": ["invalid_username"]}),
        ({"username": "a@b"}, {"username": ["invalid_username"]}),
        ({"username": "x" * 151}, {"username": ["max_length"]}),
        ({"username": "a\x00b"}, {"username": ["control_characters"]}),
        ({"username": None}, {"username": ["null"]}),
        ({"email": "nobody"}, {"email": ["invalid"]}),
        ({"email": ["mina@example.org"]}, {"email": ["invalid_string"]}),
        ({"password": "short"}, {"password": ["password_too_short"]}),
        (
            {"password": "12345678"},
            {"password": ["password_too_common", "password_entirely_numeric"]},
        ),
        ({"password": "mina@example.org"}, {"password": ["password_too_similar"]}),
        ({"password": "x" * 201}, {"password": ["max_length"]}),
        ({"password": "\ud800" * 10}, {"password": ["control_characters"]}),
    ],
)
def test_bad_fields_are_named_and_nothing_is_written(
    changes: dict[str, Any], expected: dict[str, list[str]]
) -> None:
    response = sign_up(**changes)

    if changes == {"password": "\ud800" * 10}:
        assert code(response) == (400, "malformed_json")
    else:
        assert faults(response) == expected
    assert User.objects.count() == 0


def test_another_refusal_of_the_database_is_not_called_a_taken_name(
    person: Callable[..., Caller],
) -> None:
    twin = User(id=person().user.id, username="twin", email="twin@example.org")

    with pytest.raises(IntegrityError), accounts.unique_names():
        twin.save(force_insert=True)


def test_a_name_in_any_script_is_fine() -> None:
    assert sign_up(username="민아_1").status_code == 201


def log_in(client: Client | None = None, **changes: Any) -> Any:
    body = {"username": "mina", "password": PASSWORD} | changes
    return call("POST", "/api/auth/login/", body, client=client)


@pytest.mark.parametrize("name", ["mina", "MINA", "mina@Example.org"])
def test_logging_in_takes_the_name_or_the_address(name: str) -> None:
    sign_up()

    response = log_in(username=name)

    assert response.status_code == 200
    assert "api_key" not in response.json()
    assert response.cookies["sessionid"]["httponly"]


def test_logging_in_can_issue_a_key() -> None:
    sign_up()

    key = log_in(create_key=True).json()["api_key"]

    assert call("GET", "/api/auth/me/", key=key).status_code == 200


@pytest.mark.parametrize("changes", [{"password": "wrong"}, {"username": "nobody"}])
def test_a_wrong_name_or_password_is_refused_alike(changes: dict[str, str]) -> None:
    sign_up()

    assert code(log_in(**changes)) == (401, "invalid_credentials")


def test_an_inactive_account_cannot_log_in() -> None:
    sign_up()
    User.objects.update(is_active=False)

    assert code(log_in()) == (401, "invalid_credentials")


@pytest.mark.usefixtures("few_guesses")
def test_guessing_is_slowed_down_for_one_name_only() -> None:
    sign_up()
    sign_up(username="jun", email="jun@example.org")
    for _ in range(GUESSES.limit):
        assert code(log_in(username="MINA", password="a wrong one")) == (401, "invalid_credentials")

    refused = log_in()

    assert code(refused) == (429, "throttled")
    assert 1 <= int(refused["Retry-After"]) <= GUESSES.seconds
    assert log_in(username="jun").status_code == 200


@pytest.mark.usefixtures("few_guesses")
def test_a_success_forgets_the_failures_before_it() -> None:
    sign_up()
    for _ in range(2):
        for _ in range(GUESSES.limit - 1):
            log_in(password="a wrong one")
        assert log_in().status_code == 200


@pytest.mark.usefixtures("few_guesses")
def test_guesses_sent_at_once_count_as_well() -> None:
    sign_up()

    def guess(number: int) -> int:
        try:
            return int(log_in(password=f"wrong password {number}").status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(guess, range(GUESSES.limit + 6)))

    assert statuses == [401] * GUESSES.limit + [429] * 6


def test_a_session_reads_and_with_its_csrf_token_writes() -> None:
    sign_up()
    client = Client(enforce_csrf_checks=True)
    token = log_in(client).json()["csrf_token"]

    me = call("GET", "/api/auth/me/", client=client)
    assert me.json()["key_id"] is None
    change = {"username": "Mina2"}
    assert code(call("PATCH", "/api/users/me/", change, client=client)) == (403, "csrf_failed")
    headers = {"X-CSRFToken": token}
    changed = call("PATCH", "/api/users/me/", change, client=client, headers=headers)
    assert changed.json()["username"] == "Mina2"


@pytest.mark.parametrize(
    "cookie", ['"aaaaaaaaaaaa\\000"', "a" * 10_000, "A" * 32, "", "\u00e9" * 32, "a" * 33]
)
def test_a_session_that_we_did_not_draw_is_none(cookie: str) -> None:
    """A cookie may spell any character, NUL too, which the database does not take."""
    sign_up()
    headers = {"Cookie": f"sessionid={cookie}"}

    assert code(call("GET", "/api/auth/me/", headers=headers)) == (401, "not_authenticated")
    body = {"username": "mina", "password": PASSWORD}
    assert call("POST", "/api/auth/login/", body, headers=headers).status_code == 200


def test_logging_out_ends_the_session() -> None:
    sign_up()
    client = Client()
    log_in(client)

    assert call("POST", "/api/auth/logout/", client=client).status_code == 204
    assert code(call("GET", "/api/auth/me/", client=client)) == (401, "not_authenticated")


def test_logging_out_with_a_key_leaves_the_key(person: Callable[..., Caller]) -> None:
    mina = person()

    assert mina("POST", "/api/auth/logout/").status_code == 204
    assert mina("GET", "/api/auth/me/").status_code == 200


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer x", "Basic bWluYTpw", "Bearer tl_" + "A" * 43, "Bearer é"],
)
def test_a_bad_key_is_refused_even_where_none_is_needed(header: str) -> None:
    for path in ("/api/auth/me/", "/api/schema/"):
        response = call("GET", path, headers={"Authorization": header})
        assert code(response) == (401, "invalid_api_key")
        assert response["WWW-Authenticate"] == 'Bearer realm="api"'


def test_an_expired_or_revoked_key_or_an_inactive_account_is_refused(
    person: Callable[..., Caller],
) -> None:
    mina = person()
    _, expired = issue(mina.user, expires_at=timezone.now() - timedelta(seconds=1))
    revoked_row, revoked = issue(mina.user)
    ApiKey.objects.filter(id=revoked_row.id).update(revoked_at=timezone.now())

    for key in (expired, revoked):
        assert code(call("GET", "/api/auth/me/", key=key)) == (401, "invalid_api_key")
    User.objects.update(is_active=False)
    assert code(mina("GET", "/api/auth/me/")) == (401, "invalid_api_key")


def test_authenticating_costs_one_query_and_its_time_of_use_is_written_once_a_minute(
    person: Callable[..., Caller],
) -> None:
    mina = person()
    with CaptureQueriesContext(connection) as first:
        mina("GET", "/api/auth/me/")
    with CaptureQueriesContext(connection) as second:
        mina("GET", "/api/auth/me/")

    assert len(first) == 2
    assert len(second) == 1
    assert ApiKey.objects.get().last_used_at is not None


def test_a_locked_key_row_makes_nobody_wait(
    person: Callable[..., Caller], database: Database
) -> None:
    mina = person()
    with psycopg2.connect(database.url) as other, other.cursor() as cursor:
        cursor.execute("SELECT 1 FROM core_apikey FOR UPDATE")
        assert mina("GET", "/api/auth/me/").status_code == 200
    other.close()
    assert ApiKey.objects.get().last_used_at is None


def test_a_connection_that_died_while_idle_is_replaced(person: Callable[..., Caller]) -> None:
    """G12: a restarted database server costs no request its answer."""
    mina = person()
    mina("GET", "/api/auth/me/")
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [backend()])

    assert mina("GET", "/api/auth/me/").status_code == 200


def test_within_a_transaction_a_lost_connection_is_told(person: Callable[..., Caller]) -> None:
    """Replacing it there would forget what was written before."""
    key = person().key
    with transaction.atomic():
        with connections["owner"].cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [backend()])
        with pytest.raises(OperationalError):
            authenticate(key)
        transaction.set_rollback(True)


def test_many_keys_are_looked_up_by_one_query(person: Callable[..., Caller]) -> None:
    mina, ben = person("mina"), person("ben")
    gone = person("gone")
    User.objects.filter(id=gone.user.id).update(is_active=False)
    keys = [mina.key, ben.key, gone.key, mina.key, "tl_" + "x" * 43, "no key", ""]
    authenticate_many(keys)  # notes when they were used

    with CaptureQueriesContext(connection) as queries:
        found = authenticate_many(keys)

    assert len(queries) == 1
    assert {key: user.id for key, (user, _) in found.items()} == {
        mina.key: mina.user.id,
        ben.key: ben.user.id,
    }
    assert authenticate_many([]) == {}
    assert all(row.last_used_at for row in ApiKey.objects.exclude(user=gone.user))


def backend() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def test_a_read_key_cannot_write(person: Callable[..., Caller]) -> None:
    mina = person()
    _, key = issue(mina.user, scopes=["read"])

    assert call("GET", "/api/auth/me/", key=key).status_code == 200
    refused = call("POST", "/api/auth/keys/", {}, key=key)
    assert code(refused) == (403, "scope_missing")
    assert refused.json()["error"]["details"] == {"scope": "write"}


def test_keys_are_made_listed_and_revoked(person: Callable[..., Caller]) -> None:
    mina = person()

    made = mina("POST", "/api/auth/keys/", {"name": "laptop", "scopes": ["read"]}).json()
    listed = mina("GET", "/api/auth/keys/").json()["results"]

    assert [row["name"] for row in listed] == ["laptop", ""]
    assert all("api_key" not in row and "digest" not in row for row in listed)
    path = f"/api/auth/keys/{made['id']}/"
    assert mina("DELETE", path).status_code == 204
    assert mina("DELETE", path).status_code == 204
    assert code(call("GET", "/api/auth/me/", key=made["api_key"])) == (401, "invalid_api_key")


def test_keys_are_listed_by_pages_newest_first(person: Callable[..., Caller]) -> None:
    mina = person()
    for number in range(4):
        issue(mina.user, name=str(number))

    first = mina("GET", "/api/auth/keys/?limit=3").json()
    cursor = first["next_cursor"]
    second = mina("GET", f"/api/auth/keys/?limit=3&cursor={cursor}").json()

    names = [row["name"] for page in (first, second) for row in page["results"]]
    assert names == ["3", "2", "1", "0", ""]
    assert (first["has_more"], second["has_more"], second["next_cursor"]) == (True, False, None)
    assert faults(mina("GET", f"/api/auth/keys/?cursor={cursor}x")) == {
        "cursor": ["invalid_cursor"]
    }


def test_another_users_key_is_not_found(person: Callable[..., Caller]) -> None:
    """G13."""
    mina, jun = person(), person("jun")
    mine = ApiKey.objects.get(user=mina.user)

    assert code(jun("DELETE", f"/api/auth/keys/{mine.id}/")) == (404, "not_found")
    assert jun("GET", "/api/auth/keys/").json()["results"][0]["id"] != str(mine.id)
    assert mina("GET", "/api/auth/me/").status_code == 200


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"scopes": ["admin"]}, {"scopes.0": ["invalid_choice"]}),
        ({"scopes": "read"}, {"scopes": ["not_a_list"]}),
        ({"expires_at": "2020-01-01T00:00:00Z"}, {"expires_at": ["in_the_past"]}),
        ({"expires_at": "soon"}, {"expires_at": ["invalid"]}),
        ({"name": 5}, {"name": ["invalid_string"]}),
        ([], {"non_field_errors": ["invalid"]}),
    ],
)
def test_bad_wishes_for_a_key_are_refused(
    person: Callable[..., Caller], body: Any, expected: dict[str, list[str]]
) -> None:
    assert faults(person()("POST", "/api/auth/keys/", body)) == expected


def test_a_key_that_expires_makes_none_that_lasts_longer(person: Callable[..., Caller]) -> None:
    soon = timezone.now() + timedelta(hours=1)
    _, key = issue(person().user, expires_at=soon)

    later = {"expires_at": (soon + timedelta(hours=1)).isoformat()}
    for body in ({}, later):
        refused = call("POST", "/api/auth/keys/", body, key=key)
        assert faults(refused) == {"expires_at": ["outlives_key"]}
    same = call("POST", "/api/auth/keys/", {"expires_at": soon.isoformat()}, key=key)
    assert same.status_code == 201


def test_an_account_has_a_bounded_number_of_keys(person: Callable[..., Caller]) -> None:
    mina = person()
    for number in range(99):
        issue(mina.user, name=str(number))

    assert code(mina("POST", "/api/auth/keys/", {})) == (409, "too_many_keys")


def test_keys_made_at_once_are_counted_too(person: Callable[..., Caller]) -> None:
    mina = person()
    for number in range(97):
        issue(mina.user, name=str(number))

    def make(number: int) -> int:
        try:
            return int(mina("POST", "/api/auth/keys/", {}).status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(make, range(6))) == [201, 201, 409, 409, 409, 409]


def welcome_tokens() -> int:
    """Return all tokens that `balance` holds: nobody has any but by the welcome grant."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(sum(amount), 0) FROM balance WHERE colour = 'promo'")
        return int(cursor.fetchone()[0])


def test_signing_up_is_followed_by_the_welcome_grant() -> None:
    response = sign_up()

    assert welcome_tokens() == 100
    assert re.fullmatch(r"\d+-\d+", response["Ledger-Position"])


def test_logging_in_grants_no_second_welcome() -> None:
    """G7."""
    first = sign_up()["Ledger-Position"]

    assert log_in()["Ledger-Position"] == first
    assert welcome_tokens() == 100


def test_a_welcome_that_was_missed_is_granted_at_login(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(welcome, "handle", lambda orders: [Refused(error=Busy())])
        assert "Ledger-Position" not in sign_up()
    assert welcome_tokens() == 0

    log_in()

    assert welcome_tokens() == 100


def test_the_welcome_grant_can_be_switched_off(settings: Settings) -> None:
    settings.WELCOME_GRANT_TOKENS = 0

    assert sign_up().status_code == 201
    assert welcome_tokens() == 0


def test_an_operator_gets_no_welcome_tokens(person: Callable[..., Caller]) -> None:
    operator = person("eun", "operator").user

    assert welcome.grant_welcome(operator) == []
    assert welcome_tokens() == 0
