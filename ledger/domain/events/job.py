"""What trainings and generations share between request and end: in the job's own stream.

An attempt is named by its task_id; (task_id, claim) is the fence. `worker_id` is None for a
worker that signs with the shared token of a simple set-up.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledger.domain.events.base import Event, Sealed


@dataclass(frozen=True, kw_only=True, slots=True)
class AttemptFailed(Event):
    """One attempt ended without a result, and the job goes on; `code` says why.

    `claim`, `worker_id` and `message` are None where no worker spoke (a lease ended).
    """

    user_id: UUID
    attempt: int
    task_id: UUID
    claim: UUID | None
    worker_id: UUID | None
    code: str
    message: Sealed | None


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryScheduled(Event):
    """The next attempt, number `attempt`, is due at `due_at`."""

    user_id: UUID
    attempt: int
    due_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class AttemptQueued(Event):
    """The next attempt waits for a worker; it resumes from the checkpoint, where one is given."""

    user_id: UUID
    attempt: int
    task_id: UUID
    start_by_at: datetime
    checkpoint_key: str | None
    checkpoint_sha256: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class CancelRequested(Event):
    """The owner asked to cancel a job that a worker has in hand; `reason` is a code."""

    user_id: UUID
    attempt: int
    task_id: UUID
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LateResultReceived(Event):
    """A result came for an older attempt or a closed job; kept apart until `kept_until_at`."""

    user_id: UUID
    attempt: int
    task_id: UUID
    claim: UUID
    worker_id: UUID | None
    key: str
    sha256: str
    bytes: int
    content_type: str
    kept_until_at: datetime
