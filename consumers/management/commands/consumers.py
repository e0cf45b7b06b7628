"""`consumers`: publishes tasks, takes workers' results and clients' commands."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from consumers.broker import BrokerError
from consumers.connect import connect
from consumers.process import PARTS, serve
from core.signals import stopped_by_signals


class Command(BaseCommand):
    help = "Serve the broker's queues until SIGTERM; exit code 2 when the broker is not there."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--only", choices=PARTS, help="run one of them")

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve; a broker that is away, or an unfit queue, ends the process with its message."""
        parts = [options["only"]] if options["only"] else PARTS
        with stopped_by_signals() as stop:
            try:
                serve(connect(), stop, parts)
            except BrokerError as error:
                raise CommandError(str(error), returncode=2) from error
