"""A long run: `python -m tests.oracle [--schedules N] [--seed N] [--shrink]`.

Says which seed, how many schedules and commands, and how many differences; exit 1 at the first.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "core.settings")
os.environ.setdefault("LOG_LEVEL", "ERROR")

import django

django.setup()

from hypothesis import Phase  # noqa: E402 -- need Django's settings

from audit import snapshot, verify  # noqa: E402
from tests.databases import Session  # noqa: E402
from tests.oracle.pair import Difference  # noqa: E402
from tests.oracle.schedules import Tally, run  # noqa: E402

CHUNK = 250  # schedules in one database
BAR = 30


def main() -> int:
    """Run the schedules in databases of their own; return 1 where model and ledger differ."""
    parser = argparse.ArgumentParser(prog="tests.oracle", description=__doc__)
    parser.add_argument("--schedules", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=time.time_ns() // 1_000_000)
    parser.add_argument(
        "--shrink", action="store_true", help="look for a short schedule that fails"
    )
    asked = parser.parse_args()
    phases = (Phase.generate, Phase.shrink) if asked.shrink else (Phase.generate,)
    session = Session.begin()
    total, differences, began, lock = Tally(), 0, time.monotonic(), session.hold()
    try:
        session.isolate()
        session.ensure_template()
        while total.schedules < asked.schedules:
            number = total.schedules
            with tempfile.TemporaryDirectory() as folder, session.clone(Path(folder)):
                wanted = min(CHUNK, asked.schedules - number)
                done = run(wanted, asked.seed + number, phases)
                if broken := list(verify.violations(snapshot.take())):
                    raise Difference(f"verify: {broken}")
            total.schedules += done.schedules
            total.commands += done.commands
            show(total, asked.schedules, began)
    except Difference as difference:
        differences = 1
        sys.stdout.write(f"\n{difference}\nseed {asked.seed + number}, {wanted} schedules\n")
    finally:
        session.close()
        lock.close()
    seconds = time.monotonic() - began
    sys.stdout.write(
        f"\nseed {asked.seed}: {total.schedules:,} schedules, {total.commands:,} commands,"
        f" {differences} differences, {seconds:,.0f} s\n"
    )
    return 1 if differences else 0


def show(total: Tally, wanted: int, began: float) -> None:
    """Draw how far the run is; a line of its own where nobody looks on."""
    done = BAR * total.schedules // wanted
    rate = total.commands / (time.monotonic() - began)
    line = f"[{'#' * done:{BAR}}] {total.schedules:,}/{wanted:,} schedules, {rate:,.0f} commands/s"
    end = "\r" if sys.stderr.isatty() else "\n"
    sys.stderr.write(f"{line}{end}")


if __name__ == "__main__":
    sys.exit(main())
