"""`migrate`: Django's own, as ledger_owner, under one lock, with roles before and a book after."""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.core.management.commands import migrate
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from core.ids import new_id
from core.postgres import roles

ALIAS = "owner"


class Command(migrate.Command):
    help = "Create the roles, bring every table up to date, and create the book if there is none."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(database=ALIAS)

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate; several processes may do so at once, and all but the first find it done."""
        if options["database"] != ALIAS:
            raise CommandError(f"Only --database {ALIAS} can be migrated: it owns the tables.")
        if options["plan"] or options["check_unapplied"]:
            super().handle(*args, **options)
            return
        connection = connections[ALIAS]
        with roles.migration_lock(connection):
            application_user = connections["default"].settings_dict["USER"]
            roles.create_roles(connection, application_user=application_user)
            roles.create_extensions(connection)
            with roles.acting_as_owner(connection):
                super().handle(*args, **options)
                create_book(connection)


def create_book(connection: BaseDatabaseWrapper) -> bool:
    """Create the book if its tables are there and it is not; return whether it was created."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regproc('create_book_v1') IS NOT NULL")
        if cursor.fetchone() == (False,):
            return False
        cursor.execute("SELECT EXISTS (SELECT FROM book)")
        if cursor.fetchone() == (True,):
            return False
        cursor.execute("SELECT create_book_v1(%s, %s)", [new_id(), settings.BOOK_SHARDS])
    return True
