"""The follow loop: reads each shard in commit order and folds it into every projection.

One runner may own all shards, or many share them. Rows and checkpoints commit together, a page
at a time; a hole or an event that cannot be folded stops that projector's shard, never a skip.
"""

import os
import threading
import time
from collections.abc import Collection, Iterable

import structlog
from django.db import InterfaceError, OperationalError, connection, transaction

from ledger.book import read
from projections import checkpoints
from projections.catalogue import BY_NAME, PROJECTORS
from projections.checkpoints import Projectors, Work
from projections.projector import Page, fold

PAGE_EVENTS = 500
POLL_SECONDS = 0.025
WAIT_SECONDS = 0.01
LONGEST_PAUSE_SECONDS = 5.0

# What a cut connection, a full disk or a lock that was not to be had look like: worth a retry.
OUTAGES = (OperationalError, InterfaceError)

log = structlog.get_logger(__name__)


def follow(stop: threading.Event, projectors: Projectors = PROJECTORS) -> None:
    """Follow the book until `stop` is set; an outage of the database is waited out."""
    failures = 0
    is_ready = False
    while not stop.is_set():
        try:
            if not is_ready:
                checkpoints.ensure(projectors)
                is_ready = True
            has_worked = go_round(projectors, stop)
            failures = 0
        except OUTAGES as error:
            failures += 1
            connection.close()
            pause = min(LONGEST_PAUSE_SECONDS, 0.1 * 2 ** min(failures, 10))
            log.warning("projections_wait", error=str(error).strip(), pause_seconds=pause)
            stop.wait(pause)
        else:
            if not has_worked:
                stop.wait(POLL_SECONDS)


def catch_up(projectors: Projectors = PROJECTORS) -> None:
    """Fold until nothing is left that this runner may fold, and return."""
    checkpoints.ensure(projectors)
    while go_round(projectors):
        pass


def go_round(projectors: Projectors = PROJECTORS, stop: threading.Event | None = None) -> bool:
    """Fold one page of each shard that is ahead; return whether anything was folded."""
    pending = checkpoints.behind(projectors)
    first = os.getpid() % len(pending) if pending else 0  # runners that share begin elsewhere
    has_worked = False
    for work in pending[first:] + pending[:first]:
        if stop is not None and stop.is_set():
            break
        mine = [projector for projector in projectors if projector.name in work.projectors]
        has_worked |= _advance_or_stop(work, mine)
    return has_worked


def advance(work: Work, projectors: Projectors, limit: int = PAGE_EVENTS) -> int:
    """Fold one page for those of `projectors` that are free; return its number of events.

    One transaction: lock the checkpoints, read, fold, move the checkpoints.
    Raises BookIsCorrupt at a hole, Undecodable and what projectors raise at a poison event.
    """
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        mine = checkpoints.lock(cursor, work, projectors)
        if not mine:
            return 0
        page = read_page(work, limit)
        for projector in mine:
            fold(projector, page, cursor)
        checkpoints.move(cursor, work, mine, page.rows[-1].position)
    return len(page.rows)


def read_page(work: Work, limit: int) -> Page:
    """Return the events after `work.position`; raise BookIsCorrupt where the head promises more."""
    rows = read.page(work.shard, work.position, limit)
    promised = min(work.head, work.position + limit)
    last = rows[-1].position if rows else work.position
    if not rows or last < promised:
        raise read.BookIsCorrupt(
            f"Shard {work.shard} ends at {last}, its head is at {work.head},"
            f" a reader has been at {work.position}."
        )
    return Page(work.shard, rows)


def wait_until(
    positions: Iterable[tuple[int, int]],
    projections: Collection[str] | None = None,
    timeout_seconds: float = 2.0,
) -> bool:
    """Wait until the projections have folded each (shard, position); return whether they have.

    `projections` are names, None means all. What can never come is not waited for: a position
    past the head, or past a stopped projection.
    """
    wanted: dict[int, int] = {}
    for shard, position in positions:
        wanted[shard] = max(position, wanted.get(shard, 0))
    named = PROJECTORS if projections is None else [BY_NAME[name] for name in projections]
    deadline = time.monotonic() + timeout_seconds
    is_expected = None
    while late := _late(named, wanted):
        if is_expected is None:
            heads = read.heads()
            is_expected = all(s in heads and heads[s].position >= wanted[s] for s in wanted)
        if not is_expected or "stopped" in late or time.monotonic() >= deadline:
            return False
        time.sleep(WAIT_SECONDS)
    return True


def _late(projectors: Projectors, wanted: dict[int, int]) -> set[str]:
    """Return the states of the checkpoints that are not as far as `wanted`, by shard."""
    standing = checkpoints.standing(projectors, wanted)
    late = {state for shard, position, state in standing if position < wanted[shard]}
    if len(standing) < len(projectors) * len(wanted):
        late.add("missing")
    return late


def _advance_or_stop(work: Work, projectors: Projectors) -> bool:
    """Advance; when that fails, each projector alone, and then event by event up to the poison."""
    try:
        return advance(work, projectors) > 0
    except OUTAGES:
        raise
    except Exception as error:
        log.warning("page_failed", shard=work.shard, after=work.position, error=repr(error))
    if len(projectors) > 1:
        apart = [_advance_or_stop(work, [projector]) for projector in projectors]
        return any(apart)
    return _advance_singly(work, projectors)


def _advance_singly(work: Work, projectors: Projectors) -> bool:
    """Fold events one by one and stop at the one that cannot be; return whether any was folded."""
    last = min(work.head, work.position + PAGE_EVENTS)
    for position in range(work.position, max(last, work.position + 1)):
        single = Work(work.shard, position, work.head, work.projectors)
        try:
            if not advance(single, projectors, limit=1):
                return position > work.position
        except OUTAGES:
            raise
        except Exception as error:
            text = f"{work.shard}-{position + 1}: {error!r}"
            if checkpoints.stop(projectors[0], work.shard, position, text):
                log.critical(
                    "projection_stopped",
                    alarm=True,
                    projection=projectors[0].name,
                    shard=work.shard,
                    position=position,
                    error=text,
                )
            return position > work.position
    return True
