"""`manage.py storage create`: make the bucket that the settings name, once."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from core.storage import store


class Command(BaseCommand):
    help = "Make the bucket of S3_BUCKET if it is missing; the local folder needs nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["create"])

    def handle(self, *args: Any, **options: Any) -> None:
        """Create; a second call changes nothing."""
        store().create()
        self.stdout.write("The object store is there.")
