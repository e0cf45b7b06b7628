"""Identifiers: UUIDv7 whose last byte tells the owner's shard (design section 5).

A job's id has a zero as its last byte but one; the id of its nth task has n there. So a task's
job is found without a look-up, and a next attempt's id needs no randomness.
"""

from hashlib import sha256
from uuid import UUID

import uuid_utils

MOST_ATTEMPTS = 255


def new_id(owner: UUID | None = None) -> UUID:
    """Return a new UUIDv7; with `owner` its last byte is the owner's, so both lie in one shard."""
    drawn = uuid_utils.uuid7().bytes
    return UUID(bytes=drawn if owner is None else drawn[:15] + owner.bytes[15:])


def new_job_id(owner: UUID) -> UUID:
    """Return a new id for a job of `owner`."""
    return task_id(new_id(owner), 0)


def task_id(job_id: UUID, attempt: int) -> UUID:
    """Return the id of the task that is attempt number `attempt` (from 1) of a job."""
    return UUID(bytes=job_id.bytes[:14] + bytes([attempt]) + job_id.bytes[15:])


def successor_job_id(job_id: UUID) -> UUID:
    """Return the id of the one job that may follow from another: the same whenever it is asked.

    Time, version and owner are those of `job_id`; what else was random there is its SHA-256.
    """
    digest = sha256(b"successor" + job_id.bytes).digest()
    drawn = job_id.bytes[:9] + digest[:5] + job_id.bytes[14:]
    return UUID(bytes=drawn)


def job_id_of(task: UUID) -> UUID:
    """Return the id of the job that a task belongs to."""
    return task_id(task, 0)
