"""The database backend: refuses any driver but psycopg2, and reaches the embedded server."""

import time
from typing import Any

import psycopg2
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError
from django.db.backends.postgresql import base
from django.db.backends.postgresql.psycopg_any import is_psycopg3

from core.postgres.embedded import EmbeddedPostgresError, ensure_running
from core.postgres.server import DATABASE

RECOVERY_TIMEOUT_SECONDS = 60
RECOVERY_POLL_SECONDS = 0.05
IDLE_SECONDS = 1.0  # a connection that was used within is not asked whether it lives
# What a server says (in English: its locale is C), or libpq, between a kill and its recovery.
RECOVERING = (
    "the database system is",
    "server closed the connection unexpectedly",
    "Connection refused",
    "No such file or directory",
)

if is_psycopg3:
    raise ImproperlyConfigured("psycopg 3 is installed: remove it, the ledger speaks psycopg2.")


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's backend; with EMBEDDED it starts the server of STATE_DIR before each connection."""

    _used_at = float("-inf")

    def close_if_health_check_failed(self) -> None:
        """Ask only an idle connection whether it lives: asking costs a round trip per request."""
        now = time.monotonic()
        if now - self._used_at >= IDLE_SECONDS:
            super().close_if_health_check_failed()
        self._used_at = now

    def get_connection_params(self) -> dict[str, Any]:
        """Return psycopg2's parameters; the embedded server is found (or started) only now.

        So nothing starts when settings are imported, and a killed server is back at the next
        connection. Raises OperationalError when it cannot start.
        """
        shared = self.settings_dict
        if shared.get("EMBEDDED"):
            self.settings_dict = shared | embedded_login(self.alias, shared["NAME"])
        try:
            params: dict[str, Any] = super().get_connection_params()
        finally:
            self.settings_dict = shared
        return params

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Return a new connection; one to an embedded server waits while that recovers."""
        deadline = time.monotonic() + RECOVERY_TIMEOUT_SECONDS
        while True:
            try:
                return super().get_new_connection(conn_params)
            except psycopg2.OperationalError as error:
                is_recovering = any(words in str(error) for words in RECOVERING)
                if not (self.settings_dict.get("EMBEDDED") and is_recovering):
                    raise
                if time.monotonic() > deadline:
                    raise
            time.sleep(RECOVERY_POLL_SECONDS)
            conn_params = self.get_connection_params()


def embedded_login(alias: str, name: str) -> dict[str, str]:
    """Return Django's settings for database `name` (default: the ledger's) as `alias` logs in."""
    try:
        server = ensure_running(settings.STATE_DIR)
    except EmbeddedPostgresError as error:
        raise OperationalError(str(error)) from error
    user, password = server.login(is_owner=alias == "owner")
    return {"NAME": name or DATABASE, "HOST": server.host, "USER": user, "PASSWORD": password}
