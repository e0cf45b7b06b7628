"""`python manage.py ledger ...`: parses and dispatches; each subcommand is a module of `audit`.

Exit codes: 0 sound, 1 a difference was found, 2 wrong usage or no database to audit.
"""

import sys
from typing import Any, Protocol

from django.core.management.base import BaseCommand, CommandError, CommandParser, OutputWrapper
from django.db import DatabaseError, InterfaceError

from audit import balance, heads, replay, statement, verify
from audit.errors import UsageError
from ledger.book.read import BookIsMissing


class Subcommand(Protocol):
    """What a module of a subcommand offers."""

    HELP: str

    def add_arguments(self, parser: Any) -> None:
        """Declare the subcommand's arguments."""

    def run(self, options: dict[str, Any], stdout: OutputWrapper) -> bool:
        """Do it and print the answer; return whether all was as it should be."""


SUBCOMMANDS: dict[str, Subcommand] = {
    "verify": verify,
    "replay": replay,
    "balance": balance,
    "statement": statement,
    "heads": heads,
}


class Command(BaseCommand):
    help = "Audit the book: replay it, verify it, and explain balances."

    def add_arguments(self, parser: CommandParser) -> None:
        chosen = parser.add_subparsers(dest="subcommand", required=True, metavar="SUBCOMMAND")
        for name, module in SUBCOMMANDS.items():
            module.add_arguments(chosen.add_parser(name, help=module.HELP))

    def handle(self, *args: Any, **options: Any) -> None:
        """Run one subcommand; leave with 1 at a difference, 2 when there is no verdict."""
        try:
            is_sound = SUBCOMMANDS[options["subcommand"]].run(options, self.stdout)
        except (UsageError, BookIsMissing) as error:
            raise CommandError(str(error), returncode=2) from error
        except (DatabaseError, InterfaceError) as error:
            raise CommandError(f"The database does not answer: {error}", returncode=2) from error
        if not is_sound:
            sys.exit(1)
