"""What happens around every request: its id, its trace, a line in the log, shared headers."""

import re
import time
import uuid
from collections.abc import Callable

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from api.throttling import standing
from core import traces

log = structlog.get_logger(__name__)
HEADER = "X-Request-ID"
# An answer is data: whatever a browser makes of it may run, load and be framed by nothing.
DATA_ONLY = "default-src 'none'; frame-ancestors 'none'"
# It may be kept by who asked, and is shown again only after its ETag was found still to be right.
ASK_AGAIN = "private, no-cache"
HTTPS_ONLY = f"max-age={365 * 86_400}"
_ACCEPTED = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


class RequestId:
    """Give each request an id and a trace (the caller's, if well-formed), log the route."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer `request` with its id and trace bound to every log line written meanwhile."""
        given = request.headers.get(HEADER, "")
        name = given if _ACCEPTED.fullmatch(given) else uuid.uuid4().hex
        started = time.perf_counter()
        traceparent = traces.accepted(request.headers.get(traces.HEADER)) or traces.begun(name)
        with structlog.contextvars.bound_contextvars(request_id=name), traces.traced(traceparent):
            response = self.get_response(request)
            response[HEADER] = name
            log.info(
                "request",
                method=request.method,
                route=request.resolver_match.route if request.resolver_match else None,
                status=response.status_code,
                milliseconds=round((time.perf_counter() - started) * 1000, 1),
            )
        return response


class BrowserRules:
    """Tell browsers what may become of an answer, where its view did not, and to come by HTTPS."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer `request` with these headers."""
        response = self.get_response(request)
        response.setdefault("Content-Security-Policy", DATA_ONLY)
        response.setdefault("Cache-Control", ASK_AGAIN)
        if settings.PUBLIC_URL.startswith("https://"):
            response["Strict-Transport-Security"] = HTTPS_ONLY
        return response


class RateLimits:
    """Tell where the caller stands with the throttle that is nearest to its end."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer `request` with these headers, if a throttle counted it."""
        response = self.get_response(request)
        now = standing(request)
        if now is not None:
            response["X-RateLimit-Limit"] = str(now.rate.limit)
            response["X-RateLimit-Remaining"] = str(now.remaining)
            response["X-RateLimit-Reset"] = str(now.reset_seconds)
        return response
