"""`migrate`: roles, ownership and the book, by several processes at once."""

import subprocess
import sys
from contextlib import closing

import psycopg2
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import OperationalError, connections

from core.management.commands.migrate import create_book
from core.postgres import roles
from core.postgres.roles import create_roles
from tests.databases import Database


def test_migrating_again_changes_nothing(database: Database) -> None:
    call_command("migrate", verbosity=0)
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT current_user = session_user")
        assert cursor.fetchone() == (True,), "the owner's role must be given back"
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
        )
        assert cursor.fetchone() == (0,)


def test_processes_that_migrate_at_once_all_succeed(database: Database) -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    connections["owner"].close()
    command = [sys.executable, "manage.py", "migrate", "--verbosity=0"]
    running = [
        subprocess.Popen(command, env=database.env, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in running:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    call_command("migrate", verbosity=0, check_unapplied=True)


def test_only_the_owner_migrates(database: Database) -> None:
    with pytest.raises(CommandError, match="--database owner"):
        call_command("migrate", verbosity=0, database="default")


def test_there_is_one_book_with_the_shards_of_the_settings(database: Database) -> None:
    def book() -> object:
        with connections["owner"].cursor() as cursor:
            cursor.execute("SELECT book_id, shards, (SELECT count(*) FROM head) FROM book")
            return cursor.fetchall()

    first = book()
    assert [row[1:] for row in first] == [(settings.BOOK_SHARDS, settings.BOOK_SHARDS)]
    call_command("migrate", verbosity=0)
    assert book() == first


def test_an_older_schema_has_no_book_yet(database: Database) -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute("ALTER FUNCTION create_book_v1 RENAME TO create_book_v0")
    assert create_book(connections["owner"]) is False


def test_another_login_of_the_application_may_act_as_ledger_app(database: Database) -> None:
    """The owner and the application have two logins in production."""
    login = database.name
    with connections["owner"].cursor() as cursor:
        cursor.execute(f"CREATE ROLE {login} LOGIN")
        try:
            for application_user in ("", login, login):
                create_roles(connections["owner"], application_user=application_user)
            cursor.execute("SELECT pg_has_role(%s, 'ledger_app', 'MEMBER')", [login])
            assert cursor.fetchone() == (True,)
            cursor.execute("SELECT pg_has_role(%s, 'ledger_owner', 'MEMBER')", [login])
            assert cursor.fetchone() == (False,)
        finally:
            cursor.execute(f"DROP ROLE {login}")


def test_a_migration_lock_that_is_never_released_ends_in_an_error(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roles, "LOCK_TIMEOUT_SECONDS", 0.1)
    with (
        closing(psycopg2.connect(database.owner_url)) as other,
        closing(other.cursor()) as cursor,
    ):
        cursor.execute("SELECT pg_advisory_lock(%s)", [roles.MIGRATION_LOCK])
        with pytest.raises(OperationalError, match="lock timeout"):
            call_command("migrate", verbosity=0)
