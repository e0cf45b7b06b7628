"""Clears the object store of what nobody can need any more: uploads that were checked or never
came in time, and late results whose day is over.

Follows the book with a delay, shard by shard; running twice, late or killed half-way does no harm.
"""

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
MARGIN_SECONDS = 3600.0  # for a worker that was given a link in the last moment
CLEARS = QUEUES_AN_ATTEMPT | {"LateResultReceived"}

_ENSURE = (
    "INSERT INTO swept_shard (shard, position) SELECT shard, 0 FROM head ON CONFLICT DO NOTHING"
)
_MOVE = "UPDATE swept_shard SET position = %s WHERE shard = %s AND position = %s"
log = structlog.get_logger(__name__)


def sweep() -> int:
    """Clear what is due in the next PAGE_EVENTS of each shard; return how many events were passed.

    Raises StoreUnavailable: then nothing of the shard counts as cleared.
    """
    with connection.cursor() as cursor:
        cursor.execute(_ENSURE)
        cursor.execute("SELECT shard, position FROM swept_shard ORDER BY shard")
        positions = dict(cursor.fetchall())
    return sum(_sweep(shard, position) for shard, position in positions.items())


def _sweep(shard: int, position: int) -> int:
    """Clear one shard up to the first event whose objects may still be needed."""
    now, reached, keys = timezone.now(), position, []
    for row in read.page(shard, position, PAGE_EVENTS):
        if row.type in CLEARS:
            recorded = decode(row)
            if _due_at(recorded) > now:
                break
            keys += _keys(recorded)
        reached = row.position
    if reached == position:
        return 0
    for key in keys:
        store().delete(key)
    with connection.cursor() as cursor:
        cursor.execute(_MOVE, [reached, shard, position])
    if keys:
        log.info("objects_cleared", shard=shard, objects=len(keys))
    return reached - position


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
