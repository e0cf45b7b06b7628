"""The one door for writes: REST, queues, webhooks, timers and commands all enter by `handle`.

One load, pure decisions in memory, one append: two round trips for one command or two hundred.
"""

import random
import time
from collections import defaultdict
from collections.abc import Sequence

import structlog
from django.db import DatabaseError, InterfaceError, connection

from ledger import refusals
from ledger.book.append import StaleLoad, append
from ledger.book.load import load
from ledger.book.read import shard_of
from ledger.desk import Desk, Wanted
from ledger.orders import AppendFailed, Busy, Order, Refused, Result

MOST_ORDERS = 200  # one append; a batch holds its locks until it commits
MOST_ATTEMPTS = 12
LONGEST_PAUSE_SECONDS = 0.25

log = structlog.get_logger(__name__)


def handle(orders: Sequence[Order]) -> list[Result]:
    """Decide and append `orders`, as if one ran after the other, and return a result for each.

    Orders of one shard share an append of up to MOST_ORDERS; a refused one does not spoil the
    rest. Never raises for a broken rule: that is a Refused. Must not run inside a transaction.
    """
    results: dict[int, Result] = {}
    by_shard: defaultdict[int, list[int]] = defaultdict(list)
    for number, order in enumerate(orders):
        by_shard[shard_of(order.shard_id)].append(number)
    for shard, numbers in by_shard.items():
        for start in range(0, len(numbers), MOST_ORDERS):
            chunk = numbers[start : start + MOST_ORDERS]
            answers = _decide_and_append(shard, [orders[number] for number in chunk])
            results.update(zip(chunk, answers, strict=True))
    given = [results[number] for number in range(len(orders))]
    refused = [one for one in given if isinstance(one, Refused) and not one.replayed]
    refusals.count(one.error.code for one in refused)
    return given


def _decide_and_append(shard: int, orders: Sequence[Order]) -> list[Result]:
    """Handle orders of one shard; on another failure than a stale load, once more, then halved.

    While the database is away no order is to blame: all are refused without being halved.
    """
    for final in (False, True):
        try:
            return _until_fresh(shard, orders)
        except (DatabaseError, InterfaceError):
            connection.close()  # a broken session must not spoil the next attempt
            log.warning(
                "append_failed", orders=len(orders), shard=shard, final=final, exc_info=True
            )
    if len(orders) == 1 or not is_database_there():
        return [Refused(error=AppendFailed()) for _ in orders]
    middle = len(orders) // 2
    return _decide_and_append(shard, orders[:middle]) + _decide_and_append(shard, orders[middle:])


def is_database_there() -> bool:
    """Return whether the database takes a connection, so that a failed append is not its outage."""
    try:
        connection.ensure_connection()
    except (DatabaseError, InterfaceError):
        return False
    return True


def _until_fresh(shard: int, orders: Sequence[Order]) -> list[Result]:
    """Load, decide and append; again from the start while the append finds the load stale."""
    for attempt in range(MOST_ATTEMPTS):
        if attempt:
            ceiling = min(0.002 * 2**attempt, LONGEST_PAUSE_SECONDS)
            time.sleep(random.uniform(0, ceiling))  # noqa: S311 jitter, not a secret
        try:
            return _once(shard, orders)
        except StaleLoad as stale:
            log.debug("load_was_stale", cause=type(stale).__name__, shard=shard, attempt=attempt)
    return [Refused(error=Busy()) for _ in orders]


def _once(shard: int, orders: Sequence[Order]) -> list[Result]:
    wanted = Wanted(orders)
    loaded = load(shard=shard, keys=wanted.keys, streams=wanted.streams, accounts=wanted.accounts)
    desk = Desk(wanted, loaded)
    drafts = [desk.decide(order) for order in orders]
    if desk.events or desk.outcomes:
        desk.appended = append(shard=shard, outcomes=desk.outcomes, events=desk.events)
    return [desk.result(shard, draft) for draft in drafts]
