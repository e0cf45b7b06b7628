"""The fixture `database`: every test gets its own, as the application's role."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.conf import settings
from django.db import OperationalError, ProgrammingError, connection, connections
from pytest_django import DjangoDbBlocker

from core.models import User
from tests.databases import Database


def one(sql: str, alias: str = "default") -> object:
    with connections[alias].cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


@pytest.mark.parametrize("turn", [1, 2])
def test_a_test_sees_nothing_of_another(database: Database, turn: int) -> None:
    assert User.objects.count() == 0
    User.objects.create(username="ada", email="ada@example.org")
    assert User.objects.count() == 1


def test_the_application_acts_as_ledger_app_and_owns_nothing(database: Database) -> None:
    assert one("SELECT current_user") == "ledger_app"
    assert one("SELECT current_database()") == database.name
    assert one("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") > 0
    assert one("SELECT bool_and(tableowner = 'ledger_owner') FROM pg_tables"
               " WHERE schemaname = 'public'")  # fmt: skip
    with pytest.raises(ProgrammingError, match="permission denied"):
        one("CREATE TABLE mine (id int)")


def test_every_thread_reaches_the_same_database(database: Database) -> None:
    def name() -> object:
        try:
            return one("SELECT current_database()")
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(name).result() == database.name


def test_a_subprocess_reaches_the_same_database(database: Database) -> None:
    User.objects.create(username="ada", email="ada@example.org")
    code = (
        "import django; django.setup()\n"
        "from django.conf import settings\n"
        "from core.models import User\n"
        "print(User.objects.get().username, settings.MASTER_KEY)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=database.env, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == ["ada", settings.MASTER_KEY], done.stderr


def test_nobody_reaches_a_database_outside_a_test(django_db_blocker: DjangoDbBlocker) -> None:
    """A thread that outlives its test must not start a server, nor find a developer's own."""
    for alias in ("default", "owner"):
        with django_db_blocker.unblock(), pytest.raises(OperationalError, match="/nowhere"):
            connections[alias].ensure_connection()
    assert str(settings.STATE_DIR) == os.environ["STATE_DIR"]
    assert settings.STATE_DIR != settings.BASE_DIR / ".state"
