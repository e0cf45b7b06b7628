"""Which database sessions are refused for the book (design section 5)."""

import pytest
from django.db import connections
from pytest_django import Settings

from core.postgres.checks import session_faults, session_warnings
from tests.databases import Database


def execute(sql: str, alias: str = "default") -> None:
    with connections[alias].cursor() as cursor:
        cursor.execute(sql)


def test_the_applications_session_is_fit_for_the_book(database: Database) -> None:
    assert session_faults(connections["default"]) == []


def test_the_owners_session_is_not(database: Database) -> None:
    user = connections["owner"].get_connection_params()["user"]
    faults = session_faults(connections["owner"])
    assert f"{user} is a superuser." in faults
    assert f"{user} may change the table event." in faults


@pytest.mark.parametrize(
    "right", ["UPDATE", "UPDATE (data)", "DELETE", "TRUNCATE", "INSERT, UPDATE"]
)
def test_a_right_to_change_an_event_is_a_fault(database: Database, right: str) -> None:
    """G1: the triggers would refuse it, but nobody should get so far."""
    execute(f"GRANT {right} ON event TO ledger_app", "owner")
    assert session_faults(connections["default"]) == ["ledger_app may change the table event."]


def test_commits_that_do_not_wait_for_the_disk_are_a_fault(database: Database) -> None:
    execute("SET synchronous_commit = off")
    assert session_faults(connections["default"]) == ["synchronous_commit is off."]
    execute("SET synchronous_commit = local")
    assert session_faults(connections["default"]) == []


def test_a_database_that_is_not_migrated_has_no_event_to_change(database: Database) -> None:
    execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public", "owner")
    assert session_faults(connections["default"]) == []


def test_a_superusers_login_is_a_fault_in_production_alone(
    database: Database, settings: Settings
) -> None:
    execute("SET ROLE ledger_app", "owner")
    login = connections["owner"].get_connection_params()["user"]
    warning = f"The login {login} is a superuser; production would not start."
    assert session_faults(connections["owner"]) == []
    assert session_warnings(connections["owner"]) == [warning]
    settings.PRODUCTION = True
    assert session_faults(connections["owner"]) == [f"The login {login} is a superuser."]
    assert session_warnings(connections["owner"]) == []


def test_an_ordinary_login_gets_no_warning(database: Database) -> None:
    execute(f"CREATE ROLE {database.name} LOGIN; GRANT ledger_app TO {database.name}", "owner")
    try:
        execute(f"SET SESSION AUTHORIZATION {database.name}", "owner")
        assert session_warnings(connections["owner"]) == []
    finally:
        execute(f"RESET SESSION AUTHORIZATION; DROP ROLE {database.name}", "owner")
