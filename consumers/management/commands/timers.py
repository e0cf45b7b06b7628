"""The process `timers`: ends, retries, clears and expires what is due."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from consumers.timers import run, run_once
from core.signals import stopped_by_signals


class Command(BaseCommand):
    help = "Send the commands that are due until SIGTERM or SIGINT; any number may run."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="run every timer once, and end")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the timers, or one pass of them."""
        if options["once"]:
            run_once()
            return
        with stopped_by_signals() as stop:
            run(stop)
