"""Generations as their owners see them: status, billing, result."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledger.codec import Recorded
from ledger.domain.events import (
    EarningsCleared,
    GenerationCanceled,
    GenerationCompleted,
    GenerationExpired,
    GenerationFailed,
    GenerationProgressed,
    GenerationRefunded,
    GenerationRequested,
    GenerationStarted,
    HoldCaptured,
)
from projections.jobs import Job, JobsProjector
from projections.projector import subject
from projections.reading import MOST_ROWS, Mark, Value, find, newest
from projections.table import Table


@dataclass(slots=True, kw_only=True)
class Generation(Job):
    """One picture; the prompt is sealed, the result's columns are None until it is stored."""

    artist_id: UUID
    prompt: str | None
    prompt_key: UUID | None
    size: str
    steps: int
    seed: int
    model_key: str
    model_sha256: str
    fee_bps: int
    retry_of: UUID | None
    late_of: UUID | None
    result_key: str | None = None
    result_sha256: str | None = None
    result_bytes: int | None = None
    content_type: str | None = None
    width: int | None = None
    height: int | None = None
    refundable_until_at: datetime | None = None
    clears_at: datetime | None = None
    cleared_at: datetime | None = None


GENERATION = Table("generation", Generation, key=("shard", "id"))


class GenerationsProjector(JobsProjector[Generation]):
    """Folds the streams of generations."""

    name = "generations"
    tables = (GENERATION,)
    table = GENERATION
    streams = frozenset({"generation", "account"})
    personal = ("prompt", "prompt_key", "error_message", "error_message_key")

    def on_generation_requested(self, recorded: Recorded, event: GenerationRequested) -> None:
        """Begin a row."""
        self.rows[subject(recorded)] = begun(
            event, subject(recorded), recorded.shard, recorded.version, recorded.occurred_at
        )

    def on_generation_started(self, recorded: Recorded, event: GenerationStarted) -> None:
        """Note the worker."""
        self.start(recorded, event)

    def on_generation_progressed(self, recorded: Recorded, event: GenerationProgressed) -> None:
        """Note how far it has come."""
        self.touch(recorded).progress = event.percent

    def on_generation_completed(self, recorded: Recorded, event: GenerationCompleted) -> None:
        """Note the picture (G6)."""
        row = self.end(recorded, "completed")
        row.progress = 100
        row.result_key = event.key
        row.result_sha256 = event.sha256
        row.result_bytes = event.bytes
        row.content_type = event.content_type
        row.width = event.width
        row.height = event.height

    def on_hold_captured(self, recorded: Recorded, event: HoldCaptured) -> None:
        """Note the capture, and until when it can be taken back."""
        super().on_hold_captured(recorded, event)
        row = self.rows[subject(recorded)]
        row.refundable_until_at = event.refundable_until_at
        has_artists_part = any(part for _, part, _ in event.split)
        row.clears_at = event.clears_at if has_artists_part else None

    def on_generation_failed(self, recorded: Recorded, event: GenerationFailed) -> None:
        """End without a picture."""
        self.fail(recorded, event.code, event.message, "failed")

    def on_generation_expired(self, recorded: Recorded, event: GenerationExpired) -> None:
        """End at a deadline."""
        self.fail(recorded, event.code, None, "expired")

    def on_generation_canceled(self, recorded: Recorded, event: GenerationCanceled) -> None:
        """End on request."""
        self.end(recorded, "canceled")

    def on_generation_refunded(self, recorded: Recorded, event: GenerationRefunded) -> None:
        """Note the refund; the job stays completed, and what came out of pending is not cleared."""
        row = self.touch(recorded)
        row.refunded = event.amount
        row.refunded_position = recorded.position
        if event.source == "pending":
            row.clears_at = None

    def on_earnings_cleared(self, recorded: Recorded, event: EarningsCleared) -> None:
        """Note that the artist's part is earned."""
        self.touch(recorded).cleared_at = recorded.occurred_at


def begun(
    event: GenerationRequested, generation_id: UUID, shard: int, version: int, at: datetime
) -> Generation:
    """Return the row of a generation that was just requested; its hold is not in it yet."""
    return Generation(
        shard=shard,
        id=generation_id,
        user_id=event.user_id,
        style_id=event.style_id,
        artist_id=event.artist_id,
        task_id=event.task_id,
        version=version,
        quote=event.price,
        start_by_at=event.start_by_at,
        deadline_at=event.deadline_at,
        created_at=at,
        updated_at=at,
        prompt=event.prompt.sealed,
        prompt_key=event.prompt.key,
        size=event.size,
        steps=event.steps,
        seed=event.seed,
        model_key=event.model_key,
        model_sha256=event.model_sha256,
        fee_bps=event.fee_bps,
        retry_of=event.retry_of,
        late_of=event.late_of,
    )


def generation(generation_id: UUID) -> Generation | None:
    """Return a generation as projected, or None."""
    return find(GENERATION, generation_id)


def generations_of(
    user_id: UUID,
    *,
    status: str | None = None,
    style_id: UUID | None = None,
    limit: int = MOST_ROWS,
    before: Mark | None = None,
) -> list[Generation]:
    """Return a user's generations, newest first."""
    condition, values = "user_id = %(user_id)s", dict[str, Value](user_id=user_id)
    if status is not None:
        condition += " and status = %(status)s"
        values["status"] = status
    if style_id is not None:
        condition += " and style_id = %(style_id)s"
        values["style_id"] = style_id
    return newest(GENERATION, condition, values, limit=limit, before=before)
