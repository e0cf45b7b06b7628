"""Who may call a view (G13). Every view names its permission; without one nobody gets in.

A class here also checks the API key's scope: `read` for safe methods, `write` for all.
"""

from __future__ import annotations  # REST framework imports this module before its views

from typing import TYPE_CHECKING, ClassVar

from rest_framework.exceptions import MethodNotAllowed, NotAuthenticated
from rest_framework.permissions import SAFE_METHODS, AllowAny, BasePermission

from api.authentication import credential, person
from api.errors import Problem
from core.models import Role
from ledger.requests import HOLDERS

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.views import APIView


class Nobody(BasePermission):
    """The default: a view that forgot to name its permission is closed."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Refuse."""
        return False


Anyone = AllowAny
"""Open to the anonymous; a key or session that is sent must still be good."""


class SignedIn(BasePermission):
    """Open to every active account whose key has the scope; subclasses name the roles."""

    roles: ClassVar[frozenset[str]] = frozenset(Role.values)
    refusal: ClassVar[str] = "permission_denied"

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Allow, or raise 401 for the anonymous and 403 for a wrong role or scope."""
        if request.user is None:
            raise NotAuthenticated
        if person(request).role not in self.roles:
            raise Problem(403, self.refusal)
        needed = "read" if request.method in SAFE_METHODS else "write"
        key = credential(request)
        if key is not None and not key.scopes & {needed, "write"}:
            raise Problem(403, "scope_missing", details={"scope": needed})
        return True


class IsUser(SignedIn):
    """Users and artists: those who have a wallet."""

    roles = HOLDERS
    refusal = "user_only"


class IsArtist(SignedIn):
    """Artists."""

    roles = frozenset({Role.ARTIST})
    refusal = "artist_only"


class IsArtistOrOperator(SignedIn):
    """Artists, about their own, and operators."""

    roles = frozenset({Role.ARTIST, Role.OPERATOR})
    refusal = "artist_only"


class IsOperator(SignedIn):
    """Operators of the platform."""

    roles = frozenset({Role.OPERATOR})
    refusal = "operator_only"


class IsAuditor(SignedIn):
    """Auditors, who read all and move nothing; operators may look as well."""

    roles = frozenset({Role.AUDITOR, Role.OPERATOR})
    refusal = "auditor_only"


def per_method(**permissions: type[BasePermission]) -> type[BasePermission]:
    """Return a permission that differs by method (`GET=Anyone, POST=IsArtist`).

    HEAD goes with GET; a method that is not named is refused with 405.
    """

    class PerMethod(BasePermission):
        by_method: ClassVar[dict[str, type[BasePermission]]] = permissions

        def has_permission(self, request: Request, view: APIView) -> bool:
            method = "GET" if request.method == "HEAD" else str(request.method)
            if method not in self.by_method:
                raise MethodNotAllowed(method)
            return self.by_method[method]().has_permission(request, view)

    return PerMethod
