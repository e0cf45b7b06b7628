"""`Ledger-Position`: what a write answers, and what a read may wait for (design section 10)."""

import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping

from django.conf import settings
from django.http import HttpResponse
from rest_framework.request import Request

from api.errors import Problem
from ledger.book.read import heads
from ledger.orders import Position
from projections.checkpoints import standing
from projections.projector import Projector

HEADER = "Ledger-Position"
WAIT_SECONDS = 2.0
_POLL_SECONDS = 0.02
_MAX_SHARDS = 256
_FORM = re.compile(r"(\d{1,3})-(\d{1,18})", re.ASCII)

# Who waits holds a thread: most of them are left for everybody else.
_seats = threading.BoundedSemaphore(max(1, settings.WEB_THREADS // 4))

Reached = Callable[[Iterable[int]], Mapping[int, int]]
"""Given shards, the position up to which each of them is projected."""


def add_positions(response: HttpResponse, positions: Iterable[Position]) -> None:
    """Tell on a write's answer how far each shard must be read to see it."""
    highest: dict[int, int] = {}
    for shard, number in positions:
        highest[shard] = max(number, highest.get(shard, 0))
    if highest:
        told = (str(Position(shard, highest[shard])) for shard in sorted(highest))
        response[HEADER] = ",".join(told)


def wanted_positions(request: Request) -> dict[int, int]:
    """Return the highest position asked for per shard; raises 400 `ledger_position_invalid`."""
    header = request.headers.get(HEADER)
    if header is None:
        return {}
    parts = header.split(",", _MAX_SHARDS)
    found: dict[int, int] = {}
    for part in parts:
        match = _FORM.fullmatch(part.strip())
        if match is None or len(parts) > _MAX_SHARDS:
            raise Problem(400, "ledger_position_invalid")
        shard, number = int(match[1]), int(match[2])
        found[shard] = max(number, found.get(shard, 0))
    return found


def wait_until_shown(request: Request, reached: Reached) -> None:
    """Wait until the projection is where the request's `Ledger-Position` says.

    Raises 503 `projection_behind` after WAIT_SECONDS, or at once where too many wait already.
    """
    behind = _behind(wanted_positions(request), reached)
    if not behind:
        return
    if not _seats.acquire(blocking=False):
        raise Problem(503, "projection_behind", retry_after_seconds=1)
    try:
        _wait(behind, reached)
    finally:
        _seats.release()


def _wait(behind: dict[int, int], reached: Reached) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while behind:
        if time.monotonic() >= deadline:
            raise Problem(503, "projection_behind", retry_after_seconds=1)
        time.sleep(_POLL_SECONDS)
        behind = _behind(behind, reached)


def _behind(wanted: dict[int, int], reached: Reached) -> dict[int, int]:
    shown = reached(wanted) if wanted else {}
    return {shard: number for shard, number in wanted.items() if shown.get(shard, 0) < number}


def wait_until_projected(request: Request, projector: type[Projector]) -> None:
    """Wait until `projector` is where the request's `Ledger-Position` says; see above.

    Costs nothing without the header. Raises 400 `ledger_position_invalid` for a position that
    the book has not reached, which nobody was ever told, and 503 `projection_behind`.
    """
    wanted = wanted_positions(request)
    if not wanted:
        return
    written = heads()
    if any(shard not in written or written[shard].position < wanted[shard] for shard in wanted):
        raise Problem(400, "ledger_position_invalid")
    wait_until_shown(
        request,
        lambda shards: {shard: number for shard, number, _ in standing([projector], shards)},
    )
