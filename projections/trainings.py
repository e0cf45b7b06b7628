"""Trainings as their artists see them: status, progress by epochs, billing, model."""

from dataclasses import dataclass
from uuid import UUID

import orjson

from ledger.codec import Recorded
from ledger.domain.events import (
    TrainingCanceled,
    TrainingCheckpointed,
    TrainingCompleted,
    TrainingExpired,
    TrainingFailed,
    TrainingProgressed,
    TrainingRequested,
    TrainingStarted,
)
from projections.jobs import Job, JobsProjector
from projections.projector import subject
from projections.reading import MOST_ROWS, Mark, find, newest
from projections.table import Table


@dataclass(slots=True, kw_only=True)
class Training(Job):
    """One training; the model's columns are None until it is stored."""

    image_count: int
    manifest_sha256: str
    epochs: int
    learning_rate: str
    seed: int
    current_epoch: int | None = None
    total_epochs: int | None = None
    checkpoint_epoch: int | None = None
    model_key: str | None = None
    model_sha256: str | None = None
    model_bytes: int | None = None
    metrics: str | None = None

    @property
    def measured(self) -> dict[str, str]:
        """The metrics by name, decimals as text."""
        return dict(orjson.loads(self.metrics or "{}"))


TRAINING = Table("training", Training, key=("shard", "id"))


class TrainingsProjector(JobsProjector[Training]):
    """Folds the streams of trainings."""

    name = "trainings"
    tables = (TRAINING,)
    table = TRAINING
    streams = frozenset({"training", "account"})
    personal = ("error_message", "error_message_key")

    def on_training_requested(self, recorded: Recorded, event: TrainingRequested) -> None:
        """Begin a row."""
        self.rows[subject(recorded)] = Training(
            shard=recorded.shard,
            id=subject(recorded),
            user_id=event.user_id,
            style_id=event.style_id,
            task_id=event.task_id,
            version=recorded.version,
            quote=event.price,
            start_by_at=event.start_by_at,
            deadline_at=event.deadline_at,
            created_at=recorded.occurred_at,
            updated_at=recorded.occurred_at,
            image_count=len(event.images),
            manifest_sha256=event.manifest_sha256,
            epochs=event.epochs,
            learning_rate=event.learning_rate,
            seed=event.seed,
        )

    def on_training_started(self, recorded: Recorded, event: TrainingStarted) -> None:
        """Note the worker."""
        self.start(recorded, event)

    def on_training_progressed(self, recorded: Recorded, event: TrainingProgressed) -> None:
        """Note how far it has come."""
        row = self.touch(recorded)
        row.progress = event.percent
        row.current_epoch = event.epoch
        row.total_epochs = event.total_epochs

    def on_training_checkpointed(self, recorded: Recorded, event: TrainingCheckpointed) -> None:
        """Note from where a next attempt resumes."""
        self.touch(recorded).checkpoint_epoch = event.epoch

    def on_training_completed(self, recorded: Recorded, event: TrainingCompleted) -> None:
        """Note the model (G6)."""
        row = self.end(recorded, "completed")
        row.progress = 100
        row.model_key = event.key
        row.model_sha256 = event.sha256
        row.model_bytes = event.bytes
        row.metrics = orjson.dumps(dict(event.metrics)).decode()

    def on_training_failed(self, recorded: Recorded, event: TrainingFailed) -> None:
        """End without a model."""
        self.fail(recorded, event.code, event.message, "failed")

    def on_training_expired(self, recorded: Recorded, event: TrainingExpired) -> None:
        """End at a deadline."""
        self.fail(recorded, event.code, None, "expired")

    def on_training_canceled(self, recorded: Recorded, event: TrainingCanceled) -> None:
        """End on request."""
        self.end(recorded, "canceled")


def training(training_id: UUID) -> Training | None:
    """Return a training as projected, or None."""
    return find(TRAINING, training_id)


def trainings_of_style(
    style_id: UUID, *, limit: int = MOST_ROWS, before: Mark | None = None
) -> list[Training]:
    """Return a style's trainings, newest first."""
    return newest(
        TRAINING, "style_id = %(style_id)s", {"style_id": style_id}, limit=limit, before=before
    )


def trainings_of(
    user_id: UUID, *, limit: int = MOST_ROWS, before: Mark | None = None
) -> list[Training]:
    """Return an artist's trainings, newest first."""
    return newest(
        TRAINING, "user_id = %(user_id)s", {"user_id": user_id}, limit=limit, before=before
    )
