"""The guide's project as a peer: `python -m benchmarks.peers.guide set-up|work PAYERS [NUMBER]`."""

import os
import random
import sys

import django
from django.core.management import call_command
from django.db import connection

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.peers.guide.settings"
django.setup()

from benchmarks.peers.guide.models import StyleModel, User  # noqa: E402 -- after settings
from benchmarks.peers.guide.service import create  # noqa: E402
from benchmarks.peers.rounds import serve  # noqa: E402

BUDGET = 1_000_000_000
PROMPT = "p" * 110


def set_up(payers: int) -> None:
    """Make the tables, the payers and one style."""
    call_command("migrate", run_syncdb=True, verbosity=0)
    users = [
        User(username=f"payer{number}", email=f"payer{number}@example.com", token_balance=BUDGET)
        for number in range(payers)
    ]
    User.objects.bulk_create(users, batch_size=1000)
    StyleModel.objects.create(artist=users[0], name="style", description="a style")


def work(payers: int) -> None:
    """Create generations for random payers, a command a call."""
    first = User.objects.order_by("id").values_list("id", flat=True)[0]
    style_id = StyleModel.objects.get().id

    def one() -> int:
        style = StyleModel.objects.get(id=style_id)
        created = create(first + random.randrange(payers), style, PROMPT)
        assert created is not None, "refused with 402"
        return 1

    with connection.cursor() as cursor:
        cursor.execute("select pg_backend_pid()")
        (backend,) = cursor.fetchone()
    serve(one, backend=backend)


if __name__ == "__main__":
    {"set-up": set_up, "work": work}[sys.argv[1]](int(sys.argv[2]))
