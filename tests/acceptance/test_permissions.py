"""Nobody gets in where they are not named: a walk over every route, as every role (G13)."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from django.conf import LazySettings, settings
from django.urls import URLPattern
from rest_framework.permissions import BasePermission

from api.metrics import IsMonitor
from api.permissions import (
    Anyone,
    IsArtist,
    IsArtistOrOperator,
    IsAuditor,
    IsOperator,
    IsUser,
    SignedIn,
)
from api.urls import urlpatterns
from api.worker_auth import IsWorker
from core.keys import issue
from core.models import Role, User
from tests.callers import call

TABLE = Path(settings.BASE_DIR) / "docs" / "reference" / "permissions.md"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
NAMES: dict[type[BasePermission], str] = {
    Anyone: "anyone",
    SignedIn: "signed in",
    IsUser: "users, artists",
    IsArtist: "artists",
    IsArtistOrOperator: "artists, operators",
    IsOperator: "operators",
    IsAuditor: "auditors, operators",
    IsWorker: "workers",
    IsMonitor: "monitors",
}
ROLES: dict[str, set[str]] = {
    "signed in": {"user", "artist", "operator", "auditor"},
    "users, artists": {"user", "artist"},
    "artists": {"artist"},
    "operators": {"operator"},
    "artists, operators": {Role.ARTIST, Role.OPERATOR},
    "auditors, operators": {"auditor", "operator"},
    "workers": set(),  # no account is a worker
    "monitors": set(),  # nor a monitor
}
REFUSALS = {"user_only", "artist_only", "operator_only", "auditor_only", "permission_denied"}


class Route(NamedTuple):
    """One method of one path, and who may call it."""

    path: str
    method: str
    who: str


def routes() -> Iterator[Route]:
    """Yield every method of every path, as the views state it."""
    for pattern in urlpatterns:
        assert isinstance(pattern, URLPattern)
        path, cls = f"/{pattern.pattern}", getattr(pattern.callback, "cls", None)
        if cls is None:
            yield Route(path, "any", "anyone")
            continue
        for method in METHODS:
            if hasattr(cls, method.lower()):
                yield Route(path, method, _who(cls, method))


def _who(cls: Any, method: str) -> str:
    (permission,) = cls.permission_classes
    permission = getattr(permission, "by_method", {}).get(method, permission)
    return NAMES.get(permission, permission.__name__)


def stated() -> list[Route]:
    """Return the rows of the table, without their notes."""
    table = TABLE.read_text()
    return [Route(*row) for row in re.findall(r"^\| `(.+?)` \| (\w+) \| (.+?) \|", table, re.M)]


def test_the_reference_states_who_may_call_each_route() -> None:
    built = set(routes())

    assert len(stated()) == len(set(stated()))
    assert rows(built - set(stated())) == "", "add these rows to docs/reference/permissions.md"
    assert rows(set(stated()) - built) == "", "no view says so: remove or correct these rows"


def rows(found: set[Route]) -> str:
    return "\n".join(f"| `{one.path}` | {one.method} | {one.who} | |" for one in sorted(found))


@pytest.fixture
def keys(database: object, settings: LazySettings) -> dict[str, str]:
    """Return an API key of one account of each role, where monitors have a token."""
    settings.METRICS_TOKEN = "of-a-monitor"

    def key_of(role: str) -> str:
        user = User.objects.create(username=role, email=f"{role}@example.org", role=role)
        return issue(user)[1]

    return {role: key_of(role) for role in Role.values}


def answer(route: Route, key: str | None) -> tuple[int, str | None]:
    """Send the route a request with an empty body; return the status and the error code."""
    path = re.sub(r"<uuid:\w+>", str(uuid4()), route.path)
    path = re.sub(r"<str:\w+>", "nothing", path)
    body = None if route.method == "GET" else {}
    response = call(route.method, path, body, key=key, headers={"Idempotency-Key": str(uuid4())})
    is_json = response.headers.get("Content-Type", "").startswith("application/json")
    told = response.json() if is_json and response.status_code >= 400 else {"error": {}}
    return response.status_code, told["error"].get("code")


def test_each_role_gets_in_where_it_is_named_and_nowhere_else(keys: dict[str, str]) -> None:
    guarded = [one for one in routes() if one.who != "anyone"]
    wrong = []
    for route in guarded:
        if answer(route, None)[0] != 401:
            wrong.append((route, "anonymous"))
        for role, key in keys.items():
            status, code = answer(route, key)
            is_refused = status == 401 or code in REFUSALS
            if is_refused != (role not in ROLES[route.who]) or status == 500:
                wrong.append((route, f"{role}: {status} {code}"))

    assert len(guarded) > 10
    assert wrong == []


def test_what_is_open_to_anyone_never_fails_and_never_shows_an_account(
    keys: dict[str, str],
) -> None:
    for route in routes():
        if route.who == "anyone" and route.method != "any" and "readyz" not in route.path:
            status, code = answer(route, None)
            assert status < 500, (route, status, code)
            assert code not in REFUSALS | {"not_authenticated"}, route
