"""One's own account, others' public face, and becoming an artist."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from core.models import User
from tests.callers import Caller, call, code, faults

ME = "/api/users/me/"
ABSENT = "0198a000-0000-7000-8000-000000000001"  # fixed: all processes collect the same tests
UPGRADE = "/api/users/me/upgrade-to-artist/"
WISH = {"artist_name": "Mina Park", "verified_email": "MINA@example.org"}


def test_ones_own_account_is_shown_whole(person: Callable[..., Caller]) -> None:
    account = person()("GET", ME).json()

    assert account["email"] == "mina@example.org"
    assert account.keys() == {"id", "username", "email", "role", "artist_name", "created_at"}
    assert account["created_at"].endswith("Z")


def test_others_see_no_address(person: Callable[..., Caller]) -> None:
    """G13."""
    mina, jun = person(), person("jun")

    seen = jun("GET", f"/api/users/{mina.user.id}/").json()

    assert seen.keys() == {"id", "username", "role", "artist_name", "created_at"}


@pytest.mark.parametrize("path", [f"/api/users/{ABSENT}/", "/api/users/5/"])
def test_an_unknown_account_is_not_found(person: Callable[..., Caller], path: str) -> None:
    assert code(person()("GET", path)) == (404, "not_found")


def test_an_inactive_account_is_not_found(person: Callable[..., Caller]) -> None:
    mina, jun = person(), person("jun")
    User.objects.filter(id=jun.user.id).update(is_active=False)

    assert code(mina("GET", f"/api/users/{jun.user.id}/")) == (404, "not_found")


@pytest.mark.parametrize("path", [ME, f"/api/users/{ABSENT}/"])
def test_accounts_are_shown_to_the_signed_in_only(path: str) -> None:
    assert code(call("GET", path)) == (401, "not_authenticated")


def test_names_can_be_changed(person: Callable[..., Caller]) -> None:
    mina = person()

    changed = mina("PATCH", ME, {"username": "mina2", "email": "mina2@example.org"}).json()

    assert (changed["username"], changed["email"]) == ("mina2", "mina2@example.org")
    assert User.objects.get().username == "mina2"


def test_the_case_of_ones_own_name_can_be_changed(person: Callable[..., Caller]) -> None:
    assert person()("PATCH", ME, {"username": "MINA"}).json()["username"] == "MINA"


def test_nothing_asked_is_nothing_changed(person: Callable[..., Caller]) -> None:
    assert person()("PATCH", ME, {}).json()["username"] == "mina"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"username": "JUN"}, {"username": ["taken"]}),
        ({"email": "Jun@example.org"}, {"email": ["taken"]}),
        ({"email": "x"}, {"email": ["invalid"]}),
        ({"artist_name": "M"}, {"artist_name": ["artist_only"]}),
    ],
)
def test_a_change_that_cannot_be_is_refused(
    person: Callable[..., Caller], change: dict[str, str], expected: dict[str, list[str]]
) -> None:
    mina = person()
    person("jun")

    assert faults(mina("PATCH", ME, change)) == expected


def test_the_role_cannot_be_chosen(person: Callable[..., Caller]) -> None:
    """G13."""
    mina = person()

    mina("PATCH", ME, {"role": "operator", "is_active": True, "id": str(uuid4())})

    assert User.objects.get().role == "user"
    assert User.objects.get().id == mina.user.id


def test_a_user_becomes_an_artist(person: Callable[..., Caller]) -> None:
    mina = person()

    became = mina("POST", UPGRADE, WISH).json()

    assert (became["role"], became["artist_name"]) == ("artist", "Mina Park")
    assert mina("PATCH", ME, {"artist_name": "M. Park"}).json()["artist_name"] == "M. Park"


def test_becoming_an_artist_twice_is_said_once_more_or_refused(
    person: Callable[..., Caller],
) -> None:
    mina = person()
    mina("POST", UPGRADE, WISH)

    assert mina("POST", UPGRADE, WISH).status_code == 200
    other = mina("POST", UPGRADE, WISH | {"artist_name": "Another"})
    assert code(other) == (409, "already_artist")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"verified_email": "jun@example.org"}, {"verified_email": ["mismatch"]}),
        ({"artist_name": " "}, {"artist_name": ["blank"]}),
        ({"artist_name": "x" * 101}, {"artist_name": ["max_length"]}),
    ],
)
def test_a_wish_with_faults_changes_nothing(
    person: Callable[..., Caller], change: Any, expected: dict[str, list[str]]
) -> None:
    assert faults(person()("POST", UPGRADE, WISH | change)) == expected
    assert User.objects.get().role == "user"


@pytest.mark.parametrize("role", ["operator", "auditor"])
def test_those_who_watch_over_the_book_do_not_become_artists(
    person: Callable[..., Caller], role: str
) -> None:
    assert code(person("eun", role)("POST", UPGRADE, WISH)) == (403, "user_only")
