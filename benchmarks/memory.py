"""The most memory of one replay: `python -m benchmarks.memory EVENTS` prints it in MiB."""

import resource
import sys

import django

django.setup()

from audit.replay import fold  # noqa: E402 -- needs Django's settings
from ledger.book.read import heads  # noqa: E402

KIB_PER_UNIT = 1 if sys.platform != "darwin" else 1 / 1024  # what ru_maxrss counts in


def first_events(events: int) -> dict[int, int]:
    """Return for each shard how far to replay for `events` in all; raises where there are fewer."""
    found = heads()
    bounds = {shard: events // len(found) for shard in found}
    assert all(bounds[shard] <= head.position for shard, head in found.items()), "too small a book"
    return bounds


def main(events: str) -> None:
    """Replay and print."""
    fold(first_events(int(events)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(peak * KIB_PER_UNIT / 1024)


if __name__ == "__main__":
    main(*sys.argv[1:])
