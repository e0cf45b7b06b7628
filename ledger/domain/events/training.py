"""A style's model being made: streams training-<uuid>, owner and payer is the artist."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledger.domain.events.base import Event, Sealed


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingRequested(Event):
    """A training was ordered; images, price and deadlines are pinned here.

    `manifest_sha256` is over the SHA-256s of `images`, a line each, in this order.
    `learning_rate` is a decimal as text. `deadline_at` is the latest end of the whole job.
    """

    user_id: UUID
    style_id: UUID
    task_id: UUID
    images: tuple[UUID, ...]
    manifest_sha256: str
    price: int
    epochs: int
    learning_rate: str
    seed: int
    start_by_at: datetime
    deadline_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingStarted(Event):
    """A worker bound the attempt by its claim; the first start fixes the job's `deadline_at`."""

    user_id: UUID
    style_id: UUID
    attempt: int
    task_id: UUID
    claim: UUID
    worker_id: UUID | None
    sequence: int
    leased_until_at: datetime
    deadline_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingProgressed(Event):
    """The attempt reached a new tenth of its way; epochs are None where none were told."""

    user_id: UUID
    style_id: UUID
    attempt: int
    task_id: UUID
    sequence: int
    percent: int
    epoch: int | None
    total_epochs: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingCheckpointed(Event):
    """The attempt stored a state that a next attempt can resume from."""

    user_id: UUID
    attempt: int
    task_id: UUID
    sequence: int
    epoch: int
    key: str
    sha256: str
    bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingCompleted(Event):
    """The model is stored under `key` and checked; metrics are (name, decimal as text)."""

    user_id: UUID
    style_id: UUID
    attempt: int
    task_id: UUID
    claim: UUID
    worker_id: UUID | None
    key: str
    sha256: str
    bytes: int
    content_type: str
    model_family: str | None
    metrics: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingFailed(Event):
    """The job ended without a model; `code` says why."""

    user_id: UUID
    style_id: UUID
    attempt: int
    task_id: UUID
    claim: UUID | None
    worker_id: UUID | None
    code: str
    message: Sealed | None


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingExpired(Event):
    """The job's time was over; `code` says which deadline."""

    user_id: UUID
    style_id: UUID
    attempt: int
    task_id: UUID
    code: str


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingCanceled(Event):
    """The job ended on request; `reason` is a code."""

    user_id: UUID
    style_id: UUID
    attempt: int
    task_id: UUID
    reason: str
    is_confirmed_by_worker: bool
