"""Gives payers accounts with API keys: `python -m benchmarks.people COUNT FILE`, keys as JSON."""

import json
import sys
from pathlib import Path

import django

django.setup()

from benchmarks import story  # noqa: E402 -- need Django's settings
from core.keys import issue  # noqa: E402
from core.models import User  # noqa: E402


def main(count: str, file: str) -> None:
    """Make the accounts of the first payers, whose wallets are filled, and write their keys."""
    keys = []
    for number in range(int(count)):
        user = User(
            id=story.person(number), username=f"payer{number}", email=f"payer{number}@example.com"
        )
        user.set_unusable_password()
        user.save(force_insert=True)
        keys.append(issue(user)[1])
    Path(file).write_text(json.dumps(keys))


if __name__ == "__main__":
    main(*sys.argv[1:])
