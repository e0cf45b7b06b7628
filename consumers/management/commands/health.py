"""`health PROCESS`: exit code 1 and why, where a process does not keep up with its work."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from consumers.health import CHECKS


class Command(BaseCommand):
    help = "Tell whether a process without a port keeps up: exit code 1 if it does not."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("process", choices=sorted(CHECKS))

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask the database what the process has left undone."""
        process = options["process"]
        if fault := CHECKS[process]():
            raise CommandError(f"{process}: {fault}", returncode=1)
        self.stdout.write(f"{process}: ok")
