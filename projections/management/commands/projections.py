"""The process `projections`: follows the book and keeps every projection up to date."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from core.signals import stopped_by_signals
from projections import checkpoints
from projections.catalogue import BY_NAME, PROJECTORS
from projections.follow import catch_up, follow
from projections.rebuild import rebuild


class Command(BaseCommand):
    help = "Follow the book into every projection until SIGTERM or SIGINT; any number may run."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="catch up and end")
        parser.add_argument(
            "--rebuild", choices=BY_NAME, help="fold one again from event 1, and end"
        )
        parser.add_argument("--resume", action="store_true", help="let stopped shards go on first")

    def handle(self, *args: Any, **options: Any) -> None:
        """Follow, catch up once, or rebuild one projection."""
        if options["resume"]:
            self.stdout.write(f"{checkpoints.resume(PROJECTORS)} stopped shards go on.")
        if options["rebuild"]:
            rebuild(BY_NAME[options["rebuild"]])
            return
        if options["once"]:
            catch_up()
            return
        with stopped_by_signals() as stop:
            follow(stop)
