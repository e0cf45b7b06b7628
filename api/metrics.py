"""`/metrics`: what Prometheus reads, computed from the database and the broker at that moment.

No process keeps a figure of its own, so it does not matter which one of several is asked.
"""

from __future__ import annotations

import hmac
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.http import HttpResponse
from django.utils.module_loading import import_string
from drf_spectacular.utils import extend_schema
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.permissions import BasePermission
from rest_framework.views import APIView

from api.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric
    from rest_framework.request import Request

BEARER = "Bearer "


class IsMonitor(BasePermission):
    """Open to who holds METRICS_TOKEN; where that is not set, in development, to this machine."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Allow, or raise 401 `metrics_token_needed`."""
        if _is_monitor(request):
            return True
        raise Problem(401, "metrics_token_needed", headers={"WWW-Authenticate": "Bearer"})


def _is_monitor(request: Request) -> bool:
    token = settings.METRICS_TOKEN
    if token:
        sent = request.headers.get("Authorization", "")
        return hmac.compare_digest(sent.encode(), f"{BEARER}{token}".encode())
    return not settings.PRODUCTION and _is_of_this_machine(request.META.get("REMOTE_ADDR", ""))


def _is_of_this_machine(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


class Sources(Collector):
    """The figures of every package that METRICS_SOURCES names."""

    def collect(self) -> Iterator[Metric]:
        """Yield them; raises DatabaseError."""
        for path in settings.METRICS_SOURCES:
            yield from import_string(path)()


class OneFormat(BaseContentNegotiation):
    """Whatever is accepted: there is one format, and errors are JSON."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type


class MetricsView(APIView):
    """The figures in Prometheus' text format."""

    authentication_classes = []
    permission_classes = [IsMonitor]
    throttle_classes = []
    content_negotiation_class = OneFormat

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        return HttpResponse(generate_latest(Sources()), content_type=CONTENT_TYPE_PLAIN_0_0_4)
