"""What makes a database session unsafe for a ledger; /readyz and the start in production ask."""

from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper

# Of a session that acts as ledger_app: who it is, who logged in, and what could go wrong.
SESSION_SQL = """
SELECT current_user::text, session_user::text,
    (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
    (SELECT rolsuper FROM pg_roles WHERE rolname = session_user),
    COALESCE((SELECT has_table_privilege(pg_class.oid, 'UPDATE, DELETE, TRUNCATE')
                  OR has_any_column_privilege(pg_class.oid, 'UPDATE')
              FROM pg_class WHERE relname = 'event'
              AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'public')), false),
    current_setting('fsync'), current_setting('synchronous_commit')
"""


def session_faults(connection: BaseDatabaseWrapper) -> list[str]:
    """Return what makes this session unfit for the book, one sentence each; none is good.

    That its login is a superuser is a fault in production alone: see `session_warnings`.
    """
    user, login, is_super, is_super_login, may_change, fsync, commit = _session(connection)
    found = {
        f"{user} may change the table event.": may_change,
        f"{user} is a superuser.": is_super,
        f"The login {login} is a superuser.": is_super_login and settings.PRODUCTION,
        "fsync is off.": fsync == "off",
        "synchronous_commit is off.": commit == "off",
    }
    return [sentence for sentence, is_so in found.items() if is_so]


def session_warnings(connection: BaseDatabaseWrapper) -> list[str]:
    """Return what development puts up with and production does not, one sentence each."""
    _, login, _, is_super_login, *_ = _session(connection)
    if not is_super_login or settings.PRODUCTION:
        return []
    return [f"The login {login} is a superuser; production would not start."]


def _session(connection: BaseDatabaseWrapper) -> tuple[str, str, bool, bool, bool, str, str]:
    with connection.cursor() as cursor:
        cursor.execute(SESSION_SQL)
        row: tuple[str, str, bool, bool, bool, str, str] = cursor.fetchone()
    return row
