"""`manage.py maintenance on|off|status`: refuse new jobs while running ones end."""

from typing import Any

import structlog
from django.core.management.base import BaseCommand, CommandParser

from core import maintenance
from projections import due

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    help = "on: new jobs are refused with 503 `maintenance`, running ones go on; off; status."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["on", "off", "status"])

    def handle(self, *args: Any, **options: Any) -> None:
        """Switch, or only say how it stands and what still runs.

        Every process knows within a second.
        """
        action = options["action"]
        if action != "status" and maintenance.switch(on=action == "on"):
            log.warning("maintenance_switched", is_on=action == "on")
        state = maintenance.state()
        since = f" since {state.since:%Y-%m-%d %H:%M:%S} UTC" if state.since else ""
        self.stdout.write(f"Maintenance is {'on' if state.is_on else 'off'}{since}.")
        jobs = ", ".join(f"{due.open_jobs(kind)} {kind}s" for kind in due.JOB_KINDS)
        self.stdout.write(f"Jobs that have not ended: {jobs}.")
