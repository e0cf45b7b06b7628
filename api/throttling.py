"""How many requests a caller may send (THROTTLE_*): 429 `throttled` with Retry-After beyond.

Workers, payment providers, monitors and health checks are not counted.
"""

from __future__ import annotations  # REST framework imports this module before its views

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, cast

from django.conf import settings
from rest_framework.throttling import BaseThrottle

from api.errors import Problem
from core import throttles

if TYPE_CHECKING:
    from django.http import HttpRequest
    from rest_framework.request import Request
    from rest_framework.views import APIView

    from core.models import User

_STANDING = "ledger.rate_limit"
IPV6_PREFIX = 64  # what one subscriber is given


class PerCaller(BaseThrottle):
    """Every request: by account, of the anonymous by address."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Count the request; raises 429 `throttled`."""
        user = cast("User | None", request.user)
        if user is None:
            count(request, "address", _address(request))
        else:
            count(request, "user", str(user.pk))
        return True


class Orders(BaseThrottle):
    """Orders of pictures by one account, repeats of one included."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Count a POST; raises 429 `throttled`."""
        if request.method == "POST":
            count(request, "generations", str(request.user.pk))
        return True


class SignUps(BaseThrottle):
    """Sign-ups from one address."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Count the request; raises 429 `throttled`."""
        count(request, "signup", _address(request))
        return True


def count(request: Request, scope: str, subject: str) -> None:
    """Count a request of `subject` under the rate of `scope`; raises 429 `throttled` beyond it."""
    rate = settings.THROTTLES[scope]
    if rate is None:
        return
    now = throttles.take(scope, subject, rate)
    before = standing(request)
    if before is None or now.remaining < before.remaining or not now.is_allowed:
        request.META[_STANDING] = now
    if not now.is_allowed:
        raise Problem(
            429,
            "throttled",
            details={"limit": rate.limit, "period_seconds": rate.seconds},
            retry_after_seconds=now.reset_seconds,
        )


def forgive(scope: str, subject: str) -> None:
    """Let the count of a subject begin anew."""
    if settings.THROTTLES[scope] is not None:
        throttles.forget(scope, subject)


def standing(request: Request | HttpRequest) -> throttles.Standing | None:
    """Return where the caller stands with the throttle nearest to its end, if one counted."""
    return request.META.get(_STANDING)


def _address(request: Request) -> str:
    """Return the peer's address, of IPv6 its network; proxies are resolved by the server."""
    try:
        address = ip_address(request.META.get("REMOTE_ADDR") or "")
    except ValueError:
        return "unknown"
    if address.version == 4:
        return str(address)
    return str(ip_network((address, IPV6_PREFIX), strict=False))
