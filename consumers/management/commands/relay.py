"""`relay`: publishes tasks from the book; the same as `consumers --only relay`."""

from typing import Any

from consumers.management.commands import consumers


class Command(consumers.Command):
    help = "Publish tasks until SIGTERM; exit code 2 when the broker is not there."

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve the relay alone."""
        super().handle(*args, **options | {"only": "relay"})
