"""`manage.py workers create|rotate|revoke NAME`: print a worker's id and secret once."""

from collections.abc import Iterable
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import IntegrityError

from core.models import Worker
from core.workers import JOB_TYPES, create_worker, revoke_worker, rotate_secret


class Command(BaseCommand):
    help = "Create a worker, rotate its secret (two are valid meanwhile), or revoke it."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create")
        create.add_argument("--job-type", action="append", choices=JOB_TYPES)
        for action in (create, actions.add_parser("rotate"), actions.add_parser("revoke")):
            action.add_argument("name", metavar="NAME")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["name"]
        if options["action"] == "create":
            self._show(*_created(name, options["job_type"] or JOB_TYPES))
            return
        worker = Worker.objects.filter(name=name, revoked_at=None).first()
        if worker is None:
            raise CommandError("There is no live worker with this name.")
        if options["action"] == "rotate":
            self._show(worker, rotate_secret(worker.id))
        else:
            revoke_worker(worker.id)

    def _show(self, worker: Worker, secret: str) -> None:
        self.stderr.write("The secret is shown this once:")
        self.stdout.write(f"WORKER_ID={worker.id}\nWORKER_SECRET={secret}")


def _created(name: str, job_types: Iterable[str]) -> tuple[Worker, str]:
    try:
        return create_worker(name, job_types=job_types)
    except IntegrityError:
        raise CommandError("There is a worker with this name.") from None
