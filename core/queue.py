"""The embedded task queue in PostgreSQL: what `consumers` and the workers' long poll both use.

Every call is one statement in a transaction of its own; the clock is the database's.
"""

import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db import connection

MAX_TAKE = 1_000
MOST_COUNTED = 100_000
MAX_WAIT_SECONDS = 60.0
MIN_PAUSE_SECONDS = 0.02
MAX_PAUSE_SECONDS = 0.1

DECLARE = """
INSERT INTO task_queue (name, delivery_limit, max_length, lease_seconds, dead_letter_queue)
VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (name) DO UPDATE SET
    delivery_limit = excluded.delivery_limit, max_length = excluded.max_length,
    lease_seconds = excluded.lease_seconds, dead_letter_queue = excluded.dead_letter_queue
WHERE (task_queue.delivery_limit, task_queue.max_length, task_queue.lease_seconds,
       task_queue.dead_letter_queue)
    IS DISTINCT FROM (excluded.delivery_limit, excluded.max_length, excluded.lease_seconds,
                      excluded.dead_letter_queue)
"""

# Room is counted before the insert: publishers at the same moment may overshoot by their batch.
PUBLISH = """
WITH wanted AS (
    SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::bytea[], %s::text[])
        WITH ORDINALITY AS m (queue, message_id, type, body, headers, line)
), room AS (
    SELECT q.name, q.max_length - (
        SELECT count(*)
        FROM (SELECT FROM task_message t WHERE t.queue = q.name LIMIT q.max_length) waiting
    ) AS free
    FROM task_queue q WHERE q.name IN (SELECT queue FROM wanted)
), placed AS (
    SELECT w.*, r.free, row_number() OVER (PARTITION BY w.queue ORDER BY w.line) AS place
    FROM wanted w LEFT JOIN room r ON r.name = w.queue
), queued AS (
    INSERT INTO task_message (queue, message_id, type, body, headers)
    SELECT queue, message_id, type, body, headers::jsonb
    FROM placed WHERE place <= free ORDER BY line
    ON CONFLICT (queue, message_id) DO NOTHING
)
SELECT CASE WHEN free IS NULL THEN 'missing' WHEN place <= free THEN 'queued' ELSE 'full' END
FROM placed ORDER BY line
"""

# Per queue the oldest `limit` are locked, then the oldest `limit` of all are taken; who has used
# up its deliveries moves to the dead letters instead.
TAKE = """
WITH due AS (
    SELECT t.id, q.lease_seconds, q.dead_letter_queue,
           coalesce(t.deliveries > q.delivery_limit, false) AS is_exhausted
    FROM task_queue q CROSS JOIN LATERAL (
        SELECT id, deliveries FROM task_message
        WHERE queue = q.name AND available_at <= now()
        ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    ) t
    WHERE q.name = ANY(%(queues)s)
    ORDER BY t.id LIMIT %(limit)s
), dead AS (
    DELETE FROM task_message t USING due WHERE t.id = due.id AND due.is_exhausted
    RETURNING t.*, due.dead_letter_queue
), buried AS (
    INSERT INTO task_message (queue, message_id, type, body, headers)
    SELECT dead_letter_queue, message_id, type, body,
           headers || jsonb_build_object('dead-reason', 'delivery_limit', 'dead-queue', queue)
    FROM dead WHERE dead_letter_queue IS NOT NULL ORDER BY id
    ON CONFLICT (queue, message_id) DO UPDATE SET
        type = excluded.type, body = excluded.body, headers = excluded.headers
)
UPDATE task_message t SET
    deliveries = t.deliveries + 1,
    receipt = gen_random_uuid(),
    available_at = now() + make_interval(secs => due.lease_seconds)
FROM due WHERE t.id = due.id AND NOT due.is_exhausted
RETURNING t.id, t.queue, t.message_id, t.type, t.body, t.headers::text, t.deliveries, t.receipt
"""

HELD = """queue = ANY(%(queues)s) AND message_id = %(message_id)s
    AND (%(receipt)s::uuid IS NULL OR receipt = %(receipt)s::uuid)"""
ACK = f"DELETE FROM task_message WHERE {HELD} RETURNING id"  # noqa: S608  # a constant of ours
ACK_MANY = "DELETE FROM task_message WHERE queue = %s AND message_id = ANY(%s)"
REQUEUE = f"""
UPDATE task_message SET receipt = NULL,
    available_at = now() + make_interval(secs => %(delay_seconds)s)
WHERE {HELD} RETURNING id
"""  # noqa: S608  # a constant of ours
DEFER = f"""
UPDATE task_message SET receipt = NULL, deliveries = greatest(deliveries - 1, 0),
    available_at = now() + make_interval(secs => %(delay_seconds)s)
WHERE {HELD} RETURNING id
"""  # noqa: S608  # a constant of ours
DEAD_LETTER = f"""
WITH dead AS (DELETE FROM task_message WHERE {HELD} RETURNING *)
, buried AS (
    INSERT INTO task_message (queue, message_id, type, body, headers)
    SELECT q.dead_letter_queue, d.message_id, d.type, d.body,
           d.headers || jsonb_build_object('dead-reason', %(reason)s::text, 'dead-queue', d.queue)
    FROM dead d JOIN task_queue q ON q.name = d.queue WHERE q.dead_letter_queue IS NOT NULL
    ON CONFLICT (queue, message_id) DO UPDATE SET
        type = excluded.type, body = excluded.body, headers = excluded.headers
)
SELECT id FROM dead
"""  # noqa: S608  # a constant of ours


COUNT = """
SELECT q.name, (
    SELECT count(*) FROM (SELECT FROM task_message t WHERE t.queue = q.name LIMIT %s) AS waiting
) FROM unnest(%s::text[]) AS q (name)
"""
BROWSE = """
SELECT id, message_id, type, body, headers::text, queued_at FROM task_message
WHERE queue = %(queue)s AND id > %(after)s
    AND (%(message_id)s::text IS NULL OR message_id = %(message_id)s)
ORDER BY id LIMIT %(limit)s
"""


class Published(StrEnum):
    """What became of a message given to `publish`."""

    QUEUED = "queued"  # stored, or already waiting under the same id
    FULL = "full"
    MISSING = "missing"


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """A message to publish; `headers` hold strings and integers."""

    queue: str
    id: str
    type: str
    body: bytes
    headers: Mapping[str, str | int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """A message that was taken: hidden from others until its lease ends.

    `deliveries` counts this one; `receipt` proves who holds it.
    """

    queue: str
    id: str
    type: str
    body: bytes
    headers: dict[str, str | int]
    deliveries: int
    receipt: UUID


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """A message as it lies in its queue; `serial` is its place in the order of delivery."""

    serial: int
    id: str
    type: str
    body: bytes
    headers: dict[str, str | int]
    queued_at: datetime


def declare(
    name: str,
    *,
    delivery_limit: int | None,
    max_length: int,
    lease_seconds: float,
    dead_letter_queue: str | None = None,
) -> None:
    """Create the queue `name`, or give it these settings; its dead-letter queue must exist."""
    _rows(DECLARE, [name, delivery_limit, max_length, lease_seconds, dead_letter_queue])


def missing(names: Sequence[str]) -> list[str]:
    """Return those of `names` that were never declared."""
    rows = _rows("SELECT name FROM task_queue WHERE name = ANY(%s)", [list(names)])
    declared = {name for (name,) in rows}
    return [name for name in names if name not in declared]


def publish(tasks: Sequence[Task]) -> list[Published]:
    """Queue `tasks` in order and say of each what became of it."""
    columns = [
        [task.queue for task in tasks],
        [task.id for task in tasks],
        [task.type for task in tasks],
        [task.body for task in tasks],
        [json.dumps(dict(task.headers)) for task in tasks],
    ]
    return [Published(said) for (said,) in _rows(PUBLISH, columns)]


def take(
    queues: Sequence[str],
    *,
    wait_seconds: float = 0.0,
    limit: int = 1,
    until: threading.Event | None = None,
) -> list[Taken]:
    """Return up to `limit` messages, oldest first; wait up to `wait_seconds` for the first.

    The wait ends at once when `until` is set: nobody is there any more who would take one.
    """
    until = until or threading.Event()
    deadline = time.monotonic() + min(wait_seconds, MAX_WAIT_SECONDS)
    pause = MIN_PAUSE_SECONDS
    while not (taken := _take(queues, min(limit, MAX_TAKE))):
        left = deadline - time.monotonic()
        if left <= 0 or until.wait(min(pause, left)):
            break
        pause = min(pause * 1.5, MAX_PAUSE_SECONDS)
    return taken


def ack(*queues: str, message_id: str, receipt: UUID | None = None) -> bool:
    """Remove a message whose work is done or kept elsewhere; return whether it was there.

    It is looked for in each of `queues`. Without `receipt`, whoever holds it now: the work is
    done, nobody needs it again.
    """
    return _settle(ACK, queues, message_id, receipt)


def ack_many(queue: str, message_ids: Sequence[str]) -> None:
    """Remove messages whose work is done, whoever holds them now."""
    _rows(ACK_MANY, [queue, list(message_ids)])


def requeue(
    queue: str, message_id: str, *, receipt: UUID | None = None, delay_seconds: float = 0.0
) -> bool:
    """Give back failed work after `delay_seconds`; over the queue's limit it is a dead letter."""
    return _settle(REQUEUE, [queue], message_id, receipt, delay_seconds=delay_seconds)


def defer(
    queue: str, message_id: str, *, receipt: UUID | None = None, delay_seconds: float = 0.0
) -> bool:
    """Give back work that cannot be done now, without counting the delivery."""
    return _settle(DEFER, [queue], message_id, receipt, delay_seconds=delay_seconds)


def dead_letter(queue: str, message_id: str, *, reason: str, receipt: UUID | None = None) -> bool:
    """Move a message to its queue's dead letters with `reason`; drop it if there are none."""
    return _settle(DEAD_LETTER, [queue], message_id, receipt, reason=reason)


def waiting(queues: Sequence[str]) -> dict[str, int]:
    """Return how many messages lie in each queue, taken or not; MOST_COUNTED for more."""
    return dict(_rows(COUNT, [MOST_COUNTED, list(queues)]))


def browse(
    queue: str, *, after: int = 0, limit: int, message_id: str | None = None
) -> list[Waiting]:
    """Return up to `limit` messages past a serial, oldest first, without taking them."""
    named = {"queue": queue, "after": after, "message_id": message_id}
    return [
        Waiting(
            serial=serial,
            id=identifier,
            type=type_,
            body=bytes(body),
            headers=json.loads(headers),
            queued_at=queued_at,
        )
        for serial, identifier, type_, body, headers, queued_at in _rows(
            BROWSE, named | {"limit": min(limit, MAX_TAKE)}
        )
    ]


def _take(queues: Sequence[str], limit: int) -> list[Taken]:
    rows = _rows(TAKE, {"queues": list(queues), "limit": limit})
    return [
        Taken(
            queue=queue,
            id=message_id,
            type=type_,
            body=bytes(body),
            headers=json.loads(headers),
            deliveries=deliveries,
            receipt=receipt,
        )
        for _, queue, message_id, type_, body, headers, deliveries, receipt in sorted(rows)
    ]


def _settle(
    statement: str, queues: Sequence[str], message_id: str, receipt: UUID | None, **parameters: Any
) -> bool:
    named = {"queues": list(queues), "message_id": message_id, "receipt": receipt}
    return bool(_rows(statement, named | parameters))


def _rows(statement: str, parameters: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
    if connection.in_atomic_block:
        raise RuntimeError("The queue is not used inside a transaction.")
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []
