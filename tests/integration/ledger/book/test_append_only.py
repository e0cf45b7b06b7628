"""The book is append-only for every role, the owner and the superuser included (G1)."""

from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest

from tests import books
from tests.attacks import NEVER_CHANGING, TABLES
from tests.books import person
from tests.databases import Database

USER = person(1)
REFUSED, NO_RIGHT = "LB000", "42501"

# Who tries: the statements that make a superuser's session into that one.
ROLES = {
    "ledger_app": ["set role ledger_app"],
    "ledger_auditor": ["set role ledger_auditor"],
    "ledger_owner": ["set role ledger_owner"],
    "superuser": [],
    "superuser in replica mode": ["set session_replication_role = replica"],
}
STRANGERS = ("ledger_app", "ledger_auditor")

COLUMNS = {"book": "shards", "event": "data", "entry": "amount", "outcome": "status"}
ATTEMPTS = [
    "update {table} set {column} = {column}",
    "update {table} set {column} = {column} where false",
    "update only {table} set {column} = {column}",
    "delete from {table}",
    "delete from {table} where false",
    "truncate {table}",
    "truncate {table} restart identity cascade",
    "with gone as (delete from {table} returning 1) select count(*) from gone",
    "merge into {table} using (select 1) as one on true"
    " when matched then update set {column} = {column}",
    "merge into {table} using (select 1) as one on true when matched then delete",
]


@pytest.fixture(scope="module")
def written(shared_database: Database) -> Database:
    """A book with an event, so that there is something to lose."""
    books.write(books.grant(USER, 5))
    return shared_database


@pytest.fixture(params=ROLES)
def session(request: pytest.FixtureRequest, written: Database) -> Iterator[tuple[str, Any]]:
    """Yield each role's name and cursor; nothing it does is committed."""
    connection = psycopg2.connect(written.owner_url)
    with connection.cursor() as cursor:
        for statement in ROLES[request.param]:
            cursor.execute(statement)
        yield request.param, cursor
    connection.close()


def outcome_of(cursor: Any, statement: str) -> str | None:
    """Return the SQLSTATE with which `statement` is refused, None when it is not."""
    cursor.execute("savepoint attempt")
    try:
        cursor.execute(statement)
    except psycopg2.Error as error:
        cursor.execute("rollback to savepoint attempt")
        return str(error.pgcode)
    return None


@pytest.mark.parametrize("table", NEVER_CHANGING)
@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_no_role_changes_or_removes_what_was_written(
    attempt: str, table: str, session: tuple[str, Any]
) -> None:
    """Strangers lack the right; whoever has it is refused by the table itself."""
    role, cursor = session

    code = outcome_of(cursor, attempt.format(table=table, column=COLUMNS[table]))

    assert code == (NO_RIGHT if role in STRANGERS else REFUSED)


@pytest.mark.parametrize("table", NEVER_CHANGING)
def test_an_insert_that_would_update_is_refused(table: str, session: tuple[str, Any]) -> None:
    role, cursor = session
    constraint = {"event": "on constraint event_pkey", "entry": "on constraint entry_pkey"}
    target = constraint.get(table) or {"book": "((true))"}.get(table, "(shard, scope, key)")
    statement = (
        f"insert into {table} select * from {table}"
        f" on conflict {target} do update set {COLUMNS[table]} = excluded.{COLUMNS[table]}"
    )

    expected = NO_RIGHT if role in STRANGERS else REFUSED
    assert outcome_of(cursor, statement) == expected


@pytest.mark.parametrize("role", STRANGERS)
@pytest.mark.parametrize("table", TABLES)
def test_the_application_writes_through_the_functions_alone(
    table: str, role: str, written: Database
) -> None:
    with psycopg2.connect(written.owner_url) as connection, connection.cursor() as cursor:
        for right in ("insert", "update", "delete", "truncate", "references", "trigger"):
            cursor.execute("select has_table_privilege(%s, %s, %s)", [role, table, right])
            assert cursor.fetchone() == (False,), right
        cursor.execute("select has_any_column_privilege(%s, %s, 'insert, update')", [role, table])
        assert cursor.fetchone() == (False,)


@pytest.mark.parametrize(
    "statement",
    [
        "alter table event disable trigger event_never_changes",
        "alter table event add column x int",
        "drop table event",
        "drop trigger event_never_changes on event",
        "create or replace function refuse_changes_v1() returns trigger language sql as ''",
        "create function public.sha256(bytea) returns bytea language sql as 'select $1'",
        "create table public.x ()",
        "lock table event in share row exclusive mode",
        "set session_replication_role = replica",
        "select create_book_v1(gen_random_uuid(), 16)",
        "select account_shard_v1('platform/issuance', 16::smallint)",
        "select 1 from head for update",
        "alter role ledger_app superuser",
        "create role x in role ledger_owner",
        "create rule r as on insert to event do instead nothing",
        "create trigger t before insert on event execute function refuse_changes_v1()",
        "create policy p on event",
        "vacuum full event",
    ],
)
@pytest.mark.parametrize("role", STRANGERS)
def test_strangers_cannot_take_the_guard_away(statement: str, role: str, written: Database) -> None:
    """As a login that is nothing but the role: in production DATABASE_URL is such a one."""
    with psycopg2.connect(written.owner_url) as connection, connection.cursor() as cursor:
        cursor.execute(f"set session authorization {role}")

        code = outcome_of(cursor, statement)

    # 42501 a missing right; 25001 is VACUUM, which no transaction takes
    assert code in (NO_RIGHT, "25001")


@pytest.mark.parametrize("role", STRANGERS)
def test_strangers_are_no_members_of_the_owner(role: str, written: Database) -> None:
    with psycopg2.connect(written.owner_url) as connection, connection.cursor() as cursor:
        for owner in ("ledger_owner", "pg_write_all_data", "pg_database_owner"):
            cursor.execute("select pg_has_role(%s, %s, 'MEMBER')", [role, owner])
            assert cursor.fetchone() == (False,)


def test_every_guard_is_there_and_fires_in_every_session(written: Database) -> None:
    """ENABLE ALWAYS on each never-changing table, and on whatever inherits from one."""
    with psycopg2.connect(written.owner_url) as connection, connection.cursor() as cursor:
        cursor.execute(
            "select c.relname, t.tgenabled, t.tgtype::int from pg_class as c"
            " left join pg_trigger as t on t.tgrelid = c.oid and not t.tgisinternal"
            " where c.oid = any(%s::regclass[])"
            " or c.oid in (select inhrelid from pg_inherits where inhparent = any(%s::regclass[]))",
            [list(NEVER_CHANGING)] * 2,
        )
        found = cursor.fetchall()

    before_update_delete_truncate = 2 | 8 | 16 | 32
    assert sorted(found) == sorted(
        (table, "A", before_update_delete_truncate) for table in NEVER_CHANGING
    )


def test_functions_that_write_run_as_the_owner_on_a_path_of_their_own(written: Database) -> None:
    """SECURITY DEFINER without a pinned search_path would run a stranger's tables."""
    with psycopg2.connect(written.owner_url) as connection, connection.cursor() as cursor:
        cursor.execute(
            "select p.proname, r.rolname, p.proconfig from pg_proc as p"
            " join pg_roles as r on r.oid = p.proowner where p.prosecdef"
        )
        found = {name: (owner, config) for name, owner, config in cursor.fetchall()}

    assert {"append_events_v1", "load_v1", "create_book_v1"} <= found.keys()
    for owner, config in found.values():
        assert owner == "ledger_owner"
        assert "search_path=pg_catalog, public, pg_temp" in config


def test_only_what_the_application_needs_is_executable(written: Database) -> None:
    with psycopg2.connect(written.owner_url) as connection, connection.cursor() as cursor:
        cursor.execute(
            "select role, p.proname from unnest(%s) as role, pg_proc as p"
            " where p.proname like '%%\\_v_' and has_function_privilege(role, p.oid, 'execute')"
            " and p.pronamespace = 'public'::regnamespace",
            [list(STRANGERS)],
        )
        found = set(cursor.fetchall())

    hashes = {"hash_frame_v1", "hash_time_v1", "hash_genesis_v1"}
    assert found >= {("ledger_auditor", name) for name in hashes}
    assert {name for role, name in found if role == "ledger_auditor"} == hashes
    assert {"append_events_v1", "load_v1"} <= {name for role, name in found if role == "ledger_app"}
    assert not {"create_book_v1", "account_shard_v1", "refuse_changes_v1"} & {n for _, n in found}
