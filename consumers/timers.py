"""Timers: find what is due and send ordinary commands for it, in bounded batches.

Running twice, late, or killed half-way does no harm: each command is decided on the book as it
then is, and changes nothing where the job has moved on.
"""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog
from django.db import InterfaceError, OperationalError, connection

from consumers.backoff import Backoff
from consumers.sweep import sweep
from core import leases, throttles
from core.ids import new_id, task_id
from core.storage import StorageError, StoreUnavailable
from ledger import results
from ledger.book.read import expiring_owners
from ledger.domain.attempt import EndLease, ExpireJob, QueueAttempt
from ledger.domain.purchase import ExpirePurchase
from ledger.domain.refund import ClearEarnings
from ledger.domain.wallet import ExpireTokens
from ledger.handlers import handle
from ledger.orders import Context, Order, Refused
from projections import due
from projections.due import DueJob

if TYPE_CHECKING:
    from uuid import UUID

POLL_SECONDS = 1.0
CLEAR_SECONDS = 60.0  # between two looks for objects that nobody can need
OUTAGES = (OperationalError, InterfaceError)
log = structlog.get_logger(__name__)
_clear_at = 0.0  # on the monotonic clock


class Timer(NamedTuple):
    """One kind of due thing: `find` returns the commands for a batch of it."""

    name: str
    find: Callable[[], Sequence[Any]]


def run(stop: threading.Event) -> None:
    """Run the timers until `stop` is set; an outage of the database is waited out."""
    backoff = Backoff()
    while not stop.is_set():
        try:
            changed = run_once(stop)
        except OUTAGES as error:
            connection.close()
            log.warning("timers_wait", error=str(error).strip())
            stop.wait(backoff.next_seconds())
            continue
        backoff.reset()
        if changed < due.MOST_DUE:  # else there is more, and it moves
            stop.wait(POLL_SECONDS)
    connection.close()


def run_once(stop: threading.Event | None = None) -> int:
    """Run every timer once; return the largest number of things that one of them changed.

    A timer that fails on a defect of ours says so and does not keep the others from their work.
    """
    largest = 0
    for timer in TIMERS:
        if stop is not None and stop.is_set():
            break
        try:
            largest = max(largest, _fire(timer))
        except OUTAGES:
            raise
        except Exception:
            log.exception("timer_failed", alarm=True, timer=timer.name)
    leases.sweep()
    throttles.sweep()
    _clear_objects()
    return largest


def _clear_objects() -> None:
    """Clear the object store now and then; what the store refuses waits for the next time."""
    global _clear_at
    if time.monotonic() < _clear_at:
        return
    try:
        is_behind = sweep()
    except StorageError as error:
        is_behind = False
        log.warning("objects_not_cleared", error=str(error))
    _clear_at = time.monotonic() + (0.0 if is_behind else CLEAR_SECONDS)


def _fire(timer: Timer) -> int:
    """Send the commands of one timer and say what became of them; return how many changed."""
    commands = timer.find()
    if not commands:
        return 0
    context = Context(actor=f"timer/{timer.name}")
    given = handle([Order(command, context) for command in commands])
    refused = [one.error.code for one in given if isinstance(one, Refused)]
    changed = sum(not isinstance(one, Refused) and bool(one.changes) for one in given)
    log.info("timer_fired", timer=timer.name, due=len(commands), changed=changed, refused=refused)
    return changed


def _retries() -> list[QueueAttempt]:
    return [
        QueueAttempt(
            stream=job.stream, style_id=job.style_id, task_id=task_id(job.id, job.attempts + 1)
        )
        for job in _of_all_kinds(due.retries)
    ]


def _lost_leases() -> list[Any]:
    return _unless_found(
        _of_all_kinds(due.lost_leases),
        lambda job: EndLease(stream=job.stream, style_id=job.style_id, task_id=job.task_id),
    )


def _unstarted() -> list[ExpireJob]:
    return [_expiry(job) for job in _of_all_kinds(due.unstarted)]


def _overdue() -> list[Any]:
    return _unless_found(_of_all_kinds(due.overdue), _expiry)


def _expiry(job: DueJob) -> ExpireJob:
    return ExpireJob(stream=job.stream, style_id=job.style_id)


def _of_all_kinds(find: Callable[[str], list[DueJob]]) -> Iterable[DueJob]:
    for kind in due.JOB_KINDS:
        yield from find(kind)


def _unless_found(jobs: Iterable[DueJob], ending: Callable[[DueJob], Any]) -> list[Any]:
    """Return a command for each job: its completion where its result is stored, else `ending`.

    A job whose result cannot be looked up is left for the next pass; one whose result the store
    refuses has none.
    """
    commands = []
    for job in jobs:
        try:
            commands.append(results.found(job.stream) or ending(job))
        except StoreUnavailable as error:
            log.warning("result_not_looked_up", stream=job.stream, error=str(error))
        except StorageError as error:
            log.error("result_refused_by_store", alarm=True, stream=job.stream, error=str(error))
            commands.append(ending(job))
    return commands


def _uncleared() -> list[ClearEarnings]:
    return [ClearEarnings(generation_id=one) for one in due.uncleared()]


def _unpaid() -> list[ExpirePurchase]:
    return [ExpirePurchase(purchase_id=one) for one in due.unpaid()]


def _expired_tokens() -> list[ExpireTokens]:
    owners: list[UUID] = expiring_owners(datetime.now(UTC).date(), due.MOST_DUE)
    return [ExpireTokens(expiry_id=new_id(one), user_id=one) for one in owners]


TIMERS = (
    Timer("retries", _retries),
    Timer("leases", _lost_leases),
    Timer("starts", _unstarted),
    Timer("deadlines", _overdue),
    Timer("clearing", _uncleared),
    Timer("purchases", _unpaid),
    Timer("expiry", _expired_tokens),
)
