"""Runs the benches: `python -m benchmarks [--quick] [NAME ...]`; writes benchmarks/latest.json."""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("STATE_DIR", tempfile.mkdtemp(prefix="ledger-bench-"))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "core.settings")

import django

django.setup()

from benchmarks import (  # noqa: E402 -- need Django's settings
    batch,
    capture,
    commands,
    delivery,
    growth,
    posting,
    replay,
    single,
    timers,
)
from benchmarks.database import Server, server  # noqa: E402
from benchmarks.effort import FULL, QUICK, Effort  # noqa: E402
from benchmarks.figures import Figure, table, write_latest  # noqa: E402
from benchmarks.machine import described  # noqa: E402

BENCHES: dict[str, Callable[[Server, Effort], list[Figure]]] = {
    "single": single.run,
    "batch": batch.run,
    "capture": capture.run,
    "replay": replay.run,
    "growth": growth.run,
    "posting": posting.run,
    "commands": commands.run,
    "timers": timers.run,
    "delivery": delivery.run,
}


def main() -> int:
    """Run what was asked for; return 0 even where a target was missed: a bench is no test."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHES))
    parser.add_argument("--quick", action="store_true", help="only show that every bench works")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - BENCHES.keys():
        parser.error(f"no such bench: {', '.join(sorted(unknown))}")
    effort = QUICK if arguments.quick else FULL
    figures: list[Figure] = []
    with server(Path(os.environ["STATE_DIR"])) as place:
        print(described(place.settings(), effort))
        for name in arguments.names or BENCHES:
            started = time.monotonic()
            found = BENCHES[name](place, effort)
            figures += found
            print(f"\n{table(found)}\n({name}: {time.monotonic() - started:.0f} s)", flush=True)
    if not arguments.quick and not arguments.names:
        write_latest(figures)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
