"""Who is asking: an API key (one query) or, for browsers, a session with CSRF protection."""

from typing import cast

from django.conf import settings
from rest_framework import authentication, exceptions
from rest_framework.request import Request

from api.errors import Problem
from core.keys import Credential, authenticate
from core.models import User


def person(request: Request) -> User:
    """Return who is asking, in a view whose permission has refused the anonymous."""
    return cast(User, request.user)


def credential(request: Request) -> Credential | None:
    """Return the API key that was sent; None for a session."""
    return request.auth if isinstance(request.auth, Credential) else None


class ApiKeyAuthentication(authentication.BaseAuthentication):
    """`Authorization: Bearer tl_...`; whoever sends another kind of header is refused."""

    def authenticate(self, request: Request) -> tuple[User, Credential] | None:
        """Return the key's person; None without the header. Raises 401 `invalid_api_key`."""
        header = request.META.get("HTTP_AUTHORIZATION")
        if header is None:
            return None
        scheme, _, key = header.partition(" ")
        found = authenticate(key.strip()) if scheme.lower() == "bearer" else None
        if found is None:
            raise exceptions.AuthenticationFailed
        return found

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge, which also makes refusals 401 and not 403."""
        return 'Bearer realm="api"'


class CookieAuthentication(authentication.SessionAuthentication):
    """Django's session, read only when its cookie is sent; writes need the CSRF token."""

    def authenticate(self, request: Request) -> tuple[User, None] | None:
        """Return the session's person, or None."""
        if settings.SESSION_COOKIE_NAME not in request.COOKIES:
            return None
        return cast("tuple[User, None] | None", super().authenticate(request))

    def enforce_csrf(self, request: Request) -> None:
        """Refuse a write without the CSRF token: 403 `csrf_failed`."""
        try:
            super().enforce_csrf(request)
        except exceptions.PermissionDenied:
            raise Problem(403, "csrf_failed") from None
