"""A picture asked for and paid: streams generation-<uuid>, owner and payer is `user_id`."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledger.domain.events.base import Event, Sealed


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerationRequested(Event):
    """A picture was ordered; price, split, model and deadlines are pinned here.

    `task_id` names attempt 1. `split` is (colour, artist's part, platform's part).
    `deadline_at` is the latest end of the whole job.
    """

    user_id: UUID
    style_id: UUID
    artist_id: UUID
    task_id: UUID
    prompt: Sealed
    size: str
    steps: int
    seed: int
    model_key: str
    model_sha256: str
    model_family: str | None
    price: int
    fee_bps: int
    split: tuple[tuple[str, int, int], ...]
    start_by_at: datetime
    deadline_at: datetime
    retry_of: UUID | None
    late_of: UUID | None


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerationStarted(Event):
    """A worker bound the attempt by its claim; the first start fixes the job's `deadline_at`."""

    user_id: UUID
    attempt: int
    task_id: UUID
    claim: UUID
    worker_id: UUID | None
    sequence: int
    leased_until_at: datetime
    deadline_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerationProgressed(Event):
    """The attempt reached a new tenth of its way."""

    user_id: UUID
    attempt: int
    task_id: UUID
    sequence: int
    percent: int


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerationCompleted(Event):
    """The picture is stored under `key`, checked, and can be fetched by the payer (G6, I6)."""

    user_id: UUID
    style_id: UUID
    artist_id: UUID
    attempt: int
    task_id: UUID
    claim: UUID
    worker_id: UUID | None
    key: str
    sha256: str
    bytes: int
    content_type: str
    width: int
    height: int


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerationFailed(Event):
    """The job ended without a picture; `code` says why."""

    user_id: UUID
    style_id: UUID
    attempt: int
    task_id: UUID
    claim: UUID | None
    worker_id: UUID | None
    code: str
    message: Sealed | None


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerationExpired(Event):
    """The job's time was over; `code` says which deadline."""

    user_id: UUID
    style_id: UUID
    attempt: int
    task_id: UUID
    code: str


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerationCanceled(Event):
    """The job ended on request; `reason` is a code."""

    user_id: UUID
    style_id: UUID
    attempt: int
    task_id: UUID
    reason: str
    is_confirmed_by_worker: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerationRefunded(Event):
    """The captured price went back whole, out of `source`: `pending` or `goodwill`."""

    user_id: UUID
    style_id: UUID
    artist_id: UUID
    amount: int
    colours: tuple[tuple[str, int], ...]
    split: tuple[tuple[str, int, int], ...]
    source: str
    reason: str
    note: Sealed | None


@dataclass(frozen=True, kw_only=True, slots=True)
class EarningsCleared(Event):
    """The refund window is over: the artist's part became earned."""

    artist_id: UUID
    style_id: UUID
    user_id: UUID
    amount: int
    colours: tuple[tuple[str, int], ...]
