"""`manage.py accounts create --role operator|auditor NAME`: print the account's key once."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import IntegrityError, transaction

from core.keys import issue
from core.models import Role, User
from core.sealing import ensure_key


class Command(BaseCommand):
    help = "Create an operator or an auditor; they sign in with the key that is printed once."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create")
        create.add_argument("--role", required=True, choices=[Role.OPERATOR, Role.AUDITOR])
        create.add_argument("--email", help="default: NAME@accounts.invalid")
        create.add_argument("name", metavar="NAME")

    def handle(self, *args: Any, **options: Any) -> None:
        name, email = options["name"], options["email"]
        user = User(username=name, email=email or f"{name}@accounts.invalid", role=options["role"])
        user.set_unusable_password()
        try:
            with transaction.atomic():
                user.save(force_insert=True)
                ensure_key(user.id)
                _, key = issue(user, name="created on the command line")
        except IntegrityError:
            raise CommandError("There is an account with this name or address.") from None
        self.stderr.write(f"{options['role']} {user.id}; the key is shown this once:")
        self.stdout.write(key)
