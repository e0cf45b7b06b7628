"""Roles of the database: what `migrate` sets up before the first table, and under which lock."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db.backends.base.base import BaseDatabaseWrapper

ROLES_SQL = Path(__file__).with_name("roles.sql")
MIGRATION_LOCK = 0x6C6564676572  # "ledger"
LOCK_TIMEOUT_SECONDS = 300
EXTENSIONS = ("pg_trgm",)


@contextmanager
def migration_lock(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Hold the one lock of this database under which it is migrated.

    Raises OperationalError (55P03) when another process holds it for LOCK_TIMEOUT_SECONDS.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = {int(LOCK_TIMEOUT_SECONDS * 1000)}")
        cursor.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
        cursor.execute("RESET lock_timeout")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [MIGRATION_LOCK])


@contextmanager
def acting_as_owner(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Act as ledger_owner, so that it and no login owns every table made inside."""
    with connection.cursor() as cursor:
        cursor.execute("SET ROLE ledger_owner")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET ROLE")


def create_roles(connection: BaseDatabaseWrapper, *, application_user: str = "") -> None:
    """Create the roles and their rights; `application_user` may then act as ledger_app."""
    with connection.cursor() as cursor:
        cursor.execute(ROLES_SQL.read_text())
        if application_user:
            cursor.execute("SELECT pg_has_role(%s, 'ledger_app', 'MEMBER')", [application_user])
            if cursor.fetchone() == (False,):
                user = connection.ops.quote_name(application_user)
                cursor.execute(f"GRANT ledger_app TO {user}")


def create_extensions(connection: BaseDatabaseWrapper) -> list[str]:
    """Create those EXTENSIONS that this server has; return their names."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name FROM pg_available_extensions WHERE name = ANY(%s) ORDER BY name",
            [list(EXTENSIONS)],
        )
        available = [name for (name,) in cursor.fetchall()]
        for name in available:
            cursor.execute(f"CREATE EXTENSION IF NOT EXISTS {connection.ops.quote_name(name)}")
    return available
