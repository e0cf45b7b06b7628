"""What the rows of trainings and generations share: where a job stands, and its billing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar
from uuid import UUID

from django.db import connection
from django.db.backends.utils import CursorWrapper

from ledger.book.rows import Row
from ledger.codec import Recorded, decode
from ledger.domain.events import (
    AttemptFailed,
    AttemptQueued,
    CancelRequested,
    GenerationStarted,
    HoldCaptured,
    HoldReleased,
    PersonErased,
    RetryScheduled,
    Sealed,
    TokensHeld,
    TrainingStarted,
)
from projections.projector import Projector, subject
from projections.table import Table

TERMINAL = frozenset({"completed", "failed", "expired", "canceled"})


class Movement(NamedTuple):
    """One movement of a job's tokens: `verb` is hold, capture, release or refund."""

    verb: str
    shard: int
    position: int
    amount: int


@dataclass(slots=True, kw_only=True)
class Job:
    """A training or a generation as it stands; amounts in tokens, progress in per cent."""

    shard: int
    id: UUID
    user_id: UUID
    style_id: UUID
    task_id: UUID
    status: str = "queued"
    progress: int = 0
    version: int = 0
    attempts: int = 1
    worker_id: UUID | None = None
    is_cancel_requested: bool = False
    error_code: str | None = None
    error_message: str | None = None
    error_message_key: UUID | None = None
    quote: int
    held: int = 0
    captured: int = 0
    released: int = 0
    refunded: int = 0
    held_position: int | None = None
    captured_position: int | None = None
    released_position: int | None = None
    refunded_position: int | None = None
    start_by_at: datetime
    deadline_at: datetime
    leased_until_at: datetime | None = None
    retry_at: datetime | None = None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def is_terminal(self) -> bool:
        """Whether the job has ended (G5)."""
        return self.status in TERMINAL

    @property
    def outcome(self) -> str | None:
        """How the job ended; None while it goes on."""
        return self.status if self.is_terminal else None

    @property
    def billing_state(self) -> str:
        """Where the job's tokens are: held, captured, released or refunded."""
        if self.refunded_position is not None:
            return "refunded"
        if self.captured_position is not None:
            return "captured"
        return "held" if self.released_position is None else "released"

    @property
    def movements(self) -> list[Movement]:
        """The job's movements in the order of the book; each verb happens at most once (I11)."""
        moved = [
            ("hold", self.held_position, self.held),
            ("capture", self.captured_position, self.captured),
            ("release", self.released_position, self.released),
            ("refund", self.refunded_position, self.refunded),
        ]
        return [
            Movement(verb, self.shard, position, amount)
            for verb, position, amount in moved
            if position is not None
        ]


J = TypeVar("J", bound=Job)


class JobsProjector(Projector, Generic[J]):
    """Folds what both kinds of jobs share; a subclass names its table and its own events.

    `personal` are the columns that hold sealed text of the owner.
    """

    table: ClassVar[Table[Any]]
    personal: ClassVar[tuple[str, ...]]

    def __init__(self, cursor: CursorWrapper, shard: int) -> None:
        super().__init__(cursor, shard)
        self.rows: dict[UUID, J] = {}
        self.erased: list[UUID] = []

    def begin(self, events: Sequence[Recorded]) -> None:
        """Load the jobs that go on in this page; those that begin in it have no row yet."""
        new = {one.stream for one in events if one.version == 1}
        going_on = {
            subject(one)
            for one in events
            if one.stream not in new and not isinstance(one.event, PersonErased)
        }
        self.rows = self.table.load(self.cursor, self.shard, going_on)

    def finish(self) -> None:
        """Store the jobs; then blank what erased people wrote."""
        self.table.replace(self.cursor, self.rows.values())
        if self.erased:
            blanked = ", ".join(f"{column} = null" for column in self.personal)
            self.cursor.execute(
                f"update {self.table.name} set {blanked}"  # noqa: S608 constants
                " where shard = %s and user_id = any(%s)",
                [self.shard, self.erased],
            )

    def touch(self, recorded: Recorded) -> J:
        """Return the event's job, at its new version; raises KeyError where none was requested."""
        row = self.rows[subject(recorded)]
        row.version = recorded.version
        row.updated_at = recorded.occurred_at
        return row

    def end(self, recorded: Recorded, status: str) -> J:
        """Return the event's job, ended."""
        row = self.touch(recorded)
        row.status = status
        row.ended_at = recorded.occurred_at
        row.leased_until_at = row.retry_at = None
        return row

    def fail(self, recorded: Recorded, code: str, message: Sealed | None, status: str) -> None:
        """End the event's job without a result."""
        note_error(self.end(recorded, status), code, message)

    def start(self, recorded: Recorded, event: GenerationStarted | TrainingStarted) -> J:
        """Return the event's job, in a worker's hands; the first start fixes its deadline."""
        row = self.touch(recorded)
        row.status = "processing"
        row.progress = 0
        row.worker_id = event.worker_id
        row.leased_until_at = event.leased_until_at
        row.deadline_at = event.deadline_at
        row.started_at = row.started_at or recorded.occurred_at
        return row

    def on_tokens_held(self, recorded: Recorded, event: TokensHeld) -> None:
        """Note the hold."""
        row = self.touch(recorded)
        row.held = event.amount
        row.held_position = recorded.position

    def on_hold_captured(self, recorded: Recorded, event: HoldCaptured) -> None:
        """Note the capture."""
        row = self.touch(recorded)
        row.captured = event.amount
        row.captured_position = recorded.position

    def on_hold_released(self, recorded: Recorded, event: HoldReleased) -> None:
        """Note the release."""
        row = self.touch(recorded)
        row.released = event.amount
        row.released_position = recorded.position

    def on_attempt_failed(self, recorded: Recorded, event: AttemptFailed) -> None:
        """Note why the attempt ended."""
        row = self.touch(recorded)
        row.leased_until_at = None
        note_error(row, event.code, event.message)

    def on_retry_scheduled(self, recorded: Recorded, event: RetryScheduled) -> None:
        """Wait for the next attempt."""
        row = self.touch(recorded)
        row.status = "retrying"
        row.retry_at = event.due_at

    def on_attempt_queued(self, recorded: Recorded, event: AttemptQueued) -> None:
        """Queue the next attempt."""
        row = self.touch(recorded)
        row.status = "queued"
        row.attempts = event.attempt
        row.task_id = event.task_id
        row.start_by_at = event.start_by_at
        row.progress = 0
        row.worker_id = row.retry_at = row.leased_until_at = None

    def on_cancel_requested(self, recorded: Recorded, event: CancelRequested) -> None:
        """Note that the owner wants no result."""
        self.touch(recorded).is_cancel_requested = True

    def on_late_result_received(self, recorded: Recorded, event: Any) -> None:
        """Count the event; the job stays as it is (G9)."""
        self.touch(recorded)

    def on_person_erased(self, recorded: Recorded, event: PersonErased) -> None:
        """Remember whose text is to be blanked (G14)."""
        self.erased.append(event.user_id)


def note_error(row: Job, code: str, message: Sealed | None) -> None:
    """Keep the newest failure of the job."""
    row.error_code = code
    row.error_message = message.sealed if message else None
    row.error_message_key = message.key if message else None


def job_of(projector: type[JobsProjector[J]], rows: Sequence[Row]) -> J | None:
    """Return the job as its whole stream `rows` tells it, ahead of its projection; None for none.

    `projector` folds it in memory, so that it is what will be projected.
    """
    if not rows:
        return None
    with connection.cursor() as cursor:
        work = projector(cursor, rows[0].shard)
    for row in rows:
        if name := work.handler(row):
            recorded = decode(row)
            getattr(work, name)(recorded, recorded.event)
    return next(iter(work.rows.values()), None)
