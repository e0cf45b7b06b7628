"""Clears the object store of what nobody can need any more: uploads that were checked or never
came in time, and late results whose day is over.

Follows the book with a delay, shard by shard; running twice, late or killed half-way does no harm.
"""

import random
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import connection
from django.utils import timezone

from consumers.tasks import LINK_MARGIN_SECONDS, QUEUES_AN_ATTEMPT
from core.storage import store
from ledger.book import read
from ledger.codec import Recorded, decode
from ledger.domain.events import LateResultReceived
from ledger.objects import checkpoint_upload_key, task_upload_key

PAGE_EVENTS = 200
MOST_OBJECTS = 100  # so that a slow store keeps the timers for a short while only
MARGIN_SECONDS = 3600.0  # for a worker that was given a link in the last moment
CLEARS = QUEUES_AN_ATTEMPT | {"LateResultReceived"}

_ENSURE = (
    "INSERT INTO swept_shard (shard, position) SELECT shard, 0 FROM head ON CONFLICT DO NOTHING"
)
_MOVE = "UPDATE swept_shard SET position = %s WHERE shard = %s AND position = %s"
log = structlog.get_logger(__name__)


def sweep() -> bool:
    """Clear what is due in the next page of each shard, up to about MOST_OBJECTS in all.

    Returns whether there may be more. The shards come in random order: none is always the last.
    Raises StorageError: then nothing of the shard counts as cleared.
    """
    with connection.cursor() as cursor:
        cursor.execute(_ENSURE)
        cursor.execute("SELECT shard, position FROM swept_shard")
        positions = cursor.fetchall()
    random.shuffle(positions)
    objects, may_be_more = 0, False
    for shard, position in positions:
        if objects >= MOST_OBJECTS:
            return True
        cleared, is_behind = _sweep(shard, position, MOST_OBJECTS - objects)
        objects += cleared
        may_be_more |= is_behind
    return may_be_more


def _sweep(shard: int, position: int, most: int) -> tuple[int, bool]:
    """Clear one shard up to the first event whose objects may still be needed.

    Ends after the event that reaches `most` objects. Returns how many were cleared, and whether
    there may be more.
    """
    now, reached, is_behind = timezone.now(), position, False
    keys: list[str] = []
    rows = read.page(shard, position, PAGE_EVENTS)
    for count, row in enumerate(rows, start=1):
        if row.type in CLEARS:
            recorded = decode(row)
            if _due_at(recorded) > now:
                break
            keys += _keys(recorded)
        reached = row.position
        is_behind = count == PAGE_EVENTS or len(keys) >= most
        if len(keys) >= most:
            break
    for key in keys:
        store().delete(key)
    if reached > position:
        with connection.cursor() as cursor:
            cursor.execute(_MOVE, [reached, shard, position])
    if keys:
        log.info("objects_cleared", shard=shard, objects=len(keys))
    return len(keys), is_behind


def _due_at(recorded: Recorded) -> datetime:
    """Return from when on nobody can write or want the objects of an event."""
    if isinstance(recorded.event, LateResultReceived):
        return recorded.event.kept_until_at
    longest = max(
        settings.TRAINING_RUN_SECONDS,
        settings.GENERATION_START_SECONDS + settings.GENERATION_RUN_SECONDS,
    )
    seconds = longest + settings.GRACE_SECONDS + LINK_MARGIN_SECONDS + MARGIN_SECONDS
    return recorded.recorded_at + timedelta(seconds=seconds)


def _keys(recorded: Recorded) -> list[str]:
    event = recorded.event
    if isinstance(event, LateResultReceived):
        return [event.key]
    task_id = event.task_id  # type: ignore[attr-defined]  # each of QUEUES_AN_ATTEMPT has one
    keys = [task_upload_key(task_id)]
    if recorded.stream.startswith("training-"):
        keys.append(checkpoint_upload_key(task_id))
    return keys
