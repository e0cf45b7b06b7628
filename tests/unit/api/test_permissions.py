"""Who may do what, by role and by the key's scope (G13)."""

from types import SimpleNamespace
from typing import Any

import pytest
from rest_framework.exceptions import MethodNotAllowed, NotAuthenticated
from rest_framework.permissions import BasePermission
from rest_framework.views import APIView

from api.errors import Problem
from api.permissions import (
    Anyone,
    IsArtist,
    IsAuditor,
    IsOperator,
    IsUser,
    Nobody,
    SignedIn,
    per_method,
)
from core.ids import new_id
from core.keys import Credential

ROLES = ("user", "artist", "operator", "auditor")


def refusal(
    permission: type[BasePermission],
    role: str | None,
    method: str = "GET",
    scopes: frozenset[str] | None = None,
) -> str | None:
    """Return the code by which the role is refused; None if it may pass."""
    key = None if scopes is None else Credential(new_id(), scopes, None)
    user = None if role is None else SimpleNamespace(role=role)
    request: Any = SimpleNamespace(user=user, auth=key, method=method)
    try:
        return None if permission().has_permission(request, APIView()) else "denied"
    except Problem as problem:
        return f"{problem.code}" if problem.status == 403 else f"{problem.status}"
    except NotAuthenticated:
        return "not_authenticated"


@pytest.mark.parametrize(
    ("permission", "allowed", "code"),
    [
        (SignedIn, {"user", "artist", "operator", "auditor"}, ""),
        (IsUser, {"user", "artist"}, "user_only"),
        (IsArtist, {"artist"}, "artist_only"),
        (IsOperator, {"operator"}, "operator_only"),
        (IsAuditor, {"auditor", "operator"}, "auditor_only"),
        (Nobody, set(), "denied"),
    ],
)
def test_a_role_passes_where_it_is_named(
    permission: type[BasePermission], allowed: set[str], code: str
) -> None:
    expected = {role: None if role in allowed else code for role in ROLES}

    assert {role: refusal(permission, role) for role in ROLES} == expected


@pytest.mark.parametrize("permission", [SignedIn, IsUser, IsArtist, IsOperator, IsAuditor])
def test_the_anonymous_are_asked_to_sign_in(permission: type[BasePermission]) -> None:
    assert refusal(permission, None) == "not_authenticated"
    assert refusal(Anyone, None) is None


@pytest.mark.parametrize(
    ("scopes", "reads", "writes"),
    [
        ({"read"}, None, "scope_missing"),
        ({"write"}, None, None),
        ({"read", "write"}, None, None),
        ({"other"}, "scope_missing", "scope_missing"),
    ],
)
def test_a_key_does_what_its_scopes_say(
    scopes: set[str], reads: str | None, writes: str | None
) -> None:
    assert refusal(IsUser, "user", "GET", frozenset(scopes)) == reads
    assert refusal(IsUser, "user", "HEAD", frozenset(scopes)) == reads
    for method in ("POST", "PATCH", "PUT", "DELETE"):
        assert refusal(IsUser, "user", method, frozenset(scopes)) == writes


def test_a_permission_may_differ_by_method_and_is_closed_for_the_others() -> None:
    permission = per_method(GET=Anyone, POST=IsArtist)

    assert refusal(permission, None, "GET") is None
    assert refusal(permission, None, "HEAD") is None
    assert refusal(permission, "user", "POST") == "artist_only"
    assert refusal(permission, "artist", "POST") is None
    with pytest.raises(MethodNotAllowed):
        refusal(permission, "artist", "DELETE")
