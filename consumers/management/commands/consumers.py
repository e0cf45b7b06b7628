"""`consumers`: publishes tasks from the book and takes workers' results from the broker."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from consumers.broker import BrokerError
from consumers.connect import connect
from consumers.process import serve, stopped_by_signals


class Command(BaseCommand):
    help = "Publish tasks and take results until SIGTERM; exit code 2 when the broker is not there."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--only", choices=["relay", "results"], help="run one of the two")

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve; a broker that is away, or an unfit queue, ends the process with its message."""
        only = options["only"]
        with stopped_by_signals() as stop:
            try:
                serve(connect(), stop, relay=only != "results", results=only != "relay")
            except BrokerError as error:
                raise CommandError(str(error), returncode=2) from error
