"""`/healthz` (this process answers) and `/readyz` (and what it needs is there)."""

import socket
from collections.abc import Callable
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.errors import Problem
from api.permissions import Anyone
from core.postgres.checks import session_faults

log = structlog.get_logger(__name__)
_CONNECT_SECONDS = 1.0
_AMQP_PORTS = {"amqp": 5672, "amqps": 5671}


class HealthView(APIView):
    """The process is alive; nothing else is asked."""

    authentication_classes = []
    permission_classes = [Anyone]
    throttle_classes = []

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        return Response({"status": "ok"})


class ReadyView(APIView):
    """Every check passed; otherwise 503 `not_ready` names those that did not."""

    authentication_classes = []
    permission_classes = [Anyone]
    throttle_classes = []

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        found = {name: _outcome(name, check) for name, check in CHECKS.items()}
        if any(outcome != "ok" for outcome in found.values()):
            raise Problem(503, "not_ready", details=found, retry_after_seconds=1)
        return Response({"status": "ok", "checks": found})


def _outcome(name: str, check: Callable[[], str]) -> str:
    try:
        return check()
    except (DatabaseError, InterfaceError, OSError, ValueError) as failure:  # or a wrong setting
        log.warning("check_failed", check=name, exc_info=failure)
        return "unreachable"


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return "ok"


def _migrations() -> str:
    executor = MigrationExecutor(connection)
    return "pending" if executor.migration_plan(executor.loader.graph.leaf_nodes()) else "ok"


def _session() -> str:
    """Ask what makes this session unfit for the book; the log says what it is."""
    faults = session_faults(connection)
    if faults:
        log.error("session_unfit", alarm=True, faults=faults)
    return "unfit" if faults else "ok"


def _broker() -> str:
    """Reach the port of any of its hosts; whether it takes our login is the consumers' business."""
    failure: OSError | None = None
    for address in amqp_addresses(settings.AMQP_URL):
        try:
            with socket.create_connection(address, timeout=_CONNECT_SECONDS):
                return "ok"
        except OSError as error:
            failure = error
    if failure:
        raise failure
    return "ok"


def amqp_addresses(url: str) -> list[tuple[str, int]]:
    """Return where the hosts in `url` listen; they are parted by commas (see consumers.amqp)."""
    addresses: list[tuple[str, int]] = []
    scheme = "amqp"
    for part in filter(None, url.split(",")):
        named, _, rest = part.strip().rpartition("://")
        scheme = named or scheme
        host = urlsplit("//" + rest.partition("/")[0].rpartition("@")[2])
        addresses.append((host.hostname or "127.0.0.1", host.port or _AMQP_PORTS.get(scheme, 0)))
    return addresses


CHECKS: dict[str, Callable[[], str]] = {
    "database": _database,
    "migrations": _migrations,
    "session": _session,
    "broker": _broker,
}
