"""Jobs in the book of a test, ready to be published, and the files that their workers need."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from core.ids import new_id, new_job_id, task_id
from core.sealing import seal
from core.storage import store
from ledger.book.rows import NewEvent
from ledger.domain.events import (
    AttemptQueued,
    Event,
    GenerationRequested,
    ImageAdded,
    ImageCaptioned,
    ImageRemoved,
    Sealed,
    TokensHeld,
    TrainingCheckpointed,
    TrainingRequested,
)
from ledger.domain.money import Entry, available, held
from tests.books import event, grant, values_of, write


def soon(minutes: float = 10) -> datetime:
    """Return a time to come."""
    return datetime.now(UTC) + timedelta(minutes=minutes)


@dataclass
class Ordered:
    """A generation that was ordered and paid for, in the shard of its payer."""

    prompt: str = "a quiet harbour"
    shard: int = 3
    deadline_at: datetime = field(default_factory=soon)
    family: str | None = None

    def __post_init__(self) -> None:
        self.user = UUID(bytes=new_id().bytes[:15] + bytes([self.shard]))
        self.id = new_job_id(self.user)
        self.task = task_id(self.id, 1)
        self.style = new_id()
        self.stream = f"generation-{self.id}"
        self.request = GenerationRequested(
            **values_of(
                GenerationRequested,
                user_id=self.user,
                style_id=self.style,
                task_id=self.task,
                prompt=Sealed(*seal(self.user, self.prompt)),
                size="512x512",
                steps=50,
                seed=42,
                model_key=f"models/{self.style}/1",
                model_sha256="c" * 64,
                model_family=self.family,
                price=100,
                fee_bps=1000,
                split=(("paid", 90, 10),),
                start_by_at=self.deadline_at,
                deadline_at=self.deadline_at,
                retry_of=None,
                late_of=None,
            )
        )

    def events(self) -> list[NewEvent]:
        """Return the job's first two events."""
        move = (Entry(available(self.user), "paid", -100), Entry(held(self.user), "paid", 100))
        hold = TokensHeld(
            **values_of(TokensHeld, user_id=self.user, amount=100, colours=(("paid", 100),))
        )
        return [
            event(self.stream, 1, self.request),
            event(self.stream, 2, hold, verb="hold", entries=move),
        ]

    def write(self) -> "Ordered":
        """Pay for the job and order it."""
        write(grant(self.user, 100), self.events())
        return self

    def queue_again(self, attempt: int = 2) -> UUID:
        """Queue a next attempt; return its task."""
        again = task_id(self.id, attempt)
        what = AttemptQueued(
            user_id=self.user,
            attempt=attempt,
            task_id=again,
            start_by_at=soon(),
            checkpoint_key=None,
            checkpoint_sha256=None,
        )
        write([event(self.stream, 1 + attempt, what)])
        return again


class Trained:
    """A training that was ordered, on three pictures of which one was removed later."""

    def __init__(self) -> None:
        self.artist = new_id()
        self.style = new_id(self.artist)
        self.id = new_job_id(self.artist)
        self.task = task_id(self.id, 1)
        self.stream = f"training-{self.id}"
        self.images = [new_id(self.artist) for _ in range(3)]
        self.files = [f"picture {number}".encode() for number in range(3)]

    def keys(self) -> list[str]:
        """Return where the pictures lie."""
        return [f"images/{self.style}/{number}" for number in range(3)]

    def write(self) -> "Trained":
        """Store the pictures, and write the dataset and the order."""
        for key, content in zip(self.keys(), self.files, strict=True):
            store().put(key, content, "image/png")
        first, second, third = self.images
        story: list[Event] = [
            self._added(0, "first words"),
            self._added(1, None),
            self._added(2, "kept"),
            ImageCaptioned(
                artist_id=self.artist,
                image_id=first,
                caption=Sealed(*seal(self.artist, "better words 🎨")),
            ),
            ImageRemoved(artist_id=self.artist, image_id=second, sha256="1" * 64),
        ]
        dataset = f"dataset-{self.style}"
        write([event(dataset, number, one) for number, one in enumerate(story, start=1)])
        request = TrainingRequested(
            **values_of(
                TrainingRequested,
                user_id=self.artist,
                style_id=self.style,
                task_id=self.task,
                images=(third, first, second),
                epochs=200,
                learning_rate="0.0001",
                seed=7,
                start_by_at=soon(),
                deadline_at=soon(60),
            )
        )
        write([event(self.stream, 1, request)])
        return self

    def queue_again(self) -> UUID:
        """Queue attempt 2, which resumes from a checkpoint; return its task."""
        again = task_id(self.id, 2)
        reached = TrainingCheckpointed(
            user_id=self.artist,
            attempt=1,
            task_id=self.task,
            sequence=5,
            epoch=40,
            key=self.keys()[0],
            sha256="d" * 64,
            bytes=9,
        )
        what = AttemptQueued(
            user_id=self.artist,
            attempt=2,
            task_id=again,
            start_by_at=soon(),
            checkpoint_key=self.keys()[0],
            checkpoint_sha256="d" * 64,
        )
        write([event(self.stream, 2, reached), event(self.stream, 3, what)])
        return again

    def _added(self, number: int, caption: str | None) -> ImageAdded:
        return ImageAdded(
            artist_id=self.artist,
            image_id=self.images[number],
            key=self.keys()[number],
            sha256=str(number) * 64,
            bytes=9,
            content_type="image/png",
            width=512,
            height=512,
            caption=Sealed(*seal(self.artist, caption)) if caption else None,
        )
