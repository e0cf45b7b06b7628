"""Stories for the book of a test: what a style, a training, a generation, a purchase leave."""

from datetime import timedelta
from uuid import UUID

from core.ids import new_id
from ledger.domain.events import (
    AttemptFailed,
    AttemptQueued,
    CancelRequested,
    DatasetLocked,
    DatasetUnlocked,
    EarningsCleared,
    Event,
    GenerationCanceled,
    GenerationCompleted,
    GenerationExpired,
    GenerationFailed,
    GenerationProgressed,
    GenerationRefunded,
    GenerationRequested,
    GenerationStarted,
    HoldCaptured,
    HoldReleased,
    ImageAdded,
    ImageRemoved,
    LateResultReceived,
    PurchasePaid,
    PurchaseStarted,
    RetryScheduled,
    Sealed,
    StyleDrafted,
    StyleTrained,
    TokensHeld,
    TokensIssued,
    TrainingCompleted,
    TrainingFailed,
    TrainingProgressed,
    TrainingRequested,
    TrainingStarted,
)
from ledger.domain.money import (
    ISSUANCE,
    PAID,
    PROMO,
    REVENUE,
    Entry,
    available,
    earned,
    held,
    pending,
)
from tests.integration.projections.pen import NOW, Fact

LATER = NOW + timedelta(minutes=15)
SHA = "ab" * 32


def sealed(text: str = "c2VhbGVk") -> Sealed:
    """Return text as if it were sealed."""
    return Sealed(text, UUID(int=7))


class StyleStory:
    """A style of `artist`, with its images and one training."""

    def __init__(self, artist: UUID) -> None:
        self.artist = artist
        self.id = new_id(artist)
        self.training_id = new_id(artist)
        self.task_id = new_id()
        self.claim = new_id()
        self.style = f"style-{self.id}"
        self.dataset = f"dataset-{self.id}"
        self.training = f"training-{self.training_id}"
        self.images: list[UUID] = []

    def drafted(self, tags: tuple[str, ...] = ()) -> Fact:
        event = StyleDrafted(
            artist_id=self.artist, name=sealed(), description=None, price=100, tags=tags
        )
        return Fact(self.style, event)

    def revised(self, event: Event) -> Fact:
        return Fact(self.style, event)

    def image(self) -> Fact:
        self.images.append(new_id(self.artist))
        event = ImageAdded(
            artist_id=self.artist,
            image_id=self.images[-1],
            key=f"images/{self.images[-1]}",
            sha256=SHA,
            bytes=1_000,
            content_type="image/png",
            width=512,
            height=512,
            caption=sealed(),
        )
        return Fact(self.dataset, event)

    def image_removed(self, image_id: UUID) -> Fact:
        event = ImageRemoved(artist_id=self.artist, image_id=image_id, sha256=SHA)
        return Fact(self.dataset, event)

    def training_requested(self) -> list[Fact]:
        requested = TrainingRequested(
            user_id=self.artist,
            style_id=self.id,
            task_id=self.task_id,
            images=tuple(self.images),
            manifest_sha256=SHA,
            price=100,
            epochs=200,
            learning_rate="0.0001",
            seed=42,
            start_by_at=LATER,
            deadline_at=LATER,
        )
        locked = DatasetLocked(
            artist_id=self.artist,
            training_id=self.training_id,
            image_count=len(self.images),
            manifest_sha256=SHA,
        )
        return [
            Fact(self.training, requested),
            hold(self.training, self.artist, 100),
            Fact(self.dataset, locked),
        ]

    def training_started(self) -> list[Fact]:
        started = TrainingStarted(
            user_id=self.artist,
            style_id=self.id,
            attempt=1,
            task_id=self.task_id,
            claim=self.claim,
            worker_id=None,
            sequence=1,
            leased_until_at=LATER,
            deadline_at=LATER,
        )
        progressed = TrainingProgressed(
            user_id=self.artist,
            style_id=self.id,
            attempt=1,
            task_id=self.task_id,
            sequence=2,
            percent=50,
            epoch=100,
            total_epochs=200,
        )
        return [Fact(self.training, started), Fact(self.training, progressed)]

    def training_completed(self) -> list[Fact]:
        completed = TrainingCompleted(
            user_id=self.artist,
            style_id=self.id,
            attempt=1,
            task_id=self.task_id,
            claim=self.claim,
            worker_id=None,
            key="models/1",
            sha256=SHA,
            bytes=5_000,
            content_type="application/octet-stream",
            model_family=None,
            metrics=(("loss", "0.05"),),
        )
        trained = StyleTrained(
            artist_id=self.artist,
            training_id=self.training_id,
            model_key="models/1",
            model_sha256=SHA,
            model_bytes=5_000,
            model_family=None,
            image_count=len(self.images),
        )
        return [
            Fact(self.training, completed),
            capture(self.training, self.artist, None, self.id, 100),
            self._unlocked("completed"),
            Fact(self.style, trained),
        ]

    def training_failed(self) -> list[Fact]:
        failed = TrainingFailed(
            user_id=self.artist,
            style_id=self.id,
            attempt=1,
            task_id=self.task_id,
            claim=None,
            worker_id=None,
            code="worker_error",
            message=sealed(),
        )
        return [
            Fact(self.training, failed),
            release(self.training, self.artist, 100, "failed"),
            self._unlocked("failed"),
        ]

    def whole(self) -> list[Fact]:
        """Return everything from the draft to the trained style."""
        return [
            self.drafted(),
            self.image(),
            self.image(),
            *self.training_requested(),
            *self.training_started(),
            *self.training_completed(),
        ]

    def _unlocked(self, outcome: str) -> Fact:
        event = DatasetUnlocked(
            artist_id=self.artist, training_id=self.training_id, outcome=outcome
        )
        return Fact(self.dataset, event)


class GenerationStory:
    """A generation of `user` in a style of `artist`, for 50 tokens."""

    price = 50

    def __init__(self, user: UUID, artist: UUID, style_id: UUID) -> None:
        self.user = user
        self.artist = artist
        self.style_id = style_id
        self.id = new_id(user)
        self.task_id = new_id()
        self.claim = new_id()
        self.stream = f"generation-{self.id}"

    def requested(self) -> list[Fact]:
        event = GenerationRequested(
            user_id=self.user,
            style_id=self.style_id,
            artist_id=self.artist,
            task_id=self.task_id,
            prompt=sealed("cHJvbXB0"),
            size="512x512",
            steps=50,
            seed=42,
            model_key="models/1",
            model_sha256=SHA,
            model_family=None,
            price=self.price,
            fee_bps=1_000,
            split=((PROMO, 45, 5),),
            start_by_at=LATER,
            deadline_at=LATER,
            retry_of=None,
            late_of=None,
        )
        return [Fact(self.stream, event), hold(self.stream, self.user, self.price)]

    def started(self, attempt: int = 1) -> Fact:
        event = GenerationStarted(
            user_id=self.user,
            attempt=attempt,
            task_id=self.task_id,
            claim=self.claim,
            worker_id=UUID(int=9),
            sequence=1,
            leased_until_at=LATER,
            deadline_at=LATER + timedelta(minutes=attempt),
        )
        return Fact(self.stream, event)

    def progressed(self, percent: int) -> Fact:
        event = GenerationProgressed(
            user_id=self.user, attempt=1, task_id=self.task_id, sequence=2, percent=percent
        )
        return Fact(self.stream, event)

    def attempt_failed(self) -> list[Fact]:
        failed = AttemptFailed(
            user_id=self.user,
            attempt=1,
            task_id=self.task_id,
            claim=self.claim,
            worker_id=None,
            code="out_of_memory",
            message=None,
        )
        scheduled = RetryScheduled(user_id=self.user, attempt=2, due_at=LATER)
        return [Fact(self.stream, failed), Fact(self.stream, scheduled)]

    def attempt_queued(self) -> Fact:
        self.task_id = new_id()
        event = AttemptQueued(
            user_id=self.user,
            attempt=2,
            task_id=self.task_id,
            start_by_at=LATER + timedelta(minutes=2),
            checkpoint_key=None,
            checkpoint_sha256=None,
        )
        return Fact(self.stream, event)

    def completed(self) -> list[Fact]:
        event = GenerationCompleted(
            user_id=self.user,
            style_id=self.style_id,
            artist_id=self.artist,
            attempt=1,
            task_id=self.task_id,
            claim=self.claim,
            worker_id=None,
            key="results/1",
            sha256=SHA,
            bytes=2_000,
            content_type="image/png",
            width=512,
            height=512,
        )
        return [
            Fact(self.stream, event),
            capture(self.stream, self.user, self.artist, self.style_id, self.price),
        ]

    def failed(self, code: str = "moderation") -> list[Fact]:
        event = GenerationFailed(
            user_id=self.user,
            style_id=self.style_id,
            attempt=1,
            task_id=self.task_id,
            claim=self.claim,
            worker_id=None,
            code=code,
            message=sealed(),
        )
        return [Fact(self.stream, event), release(self.stream, self.user, self.price, "failed")]

    def expired(self) -> list[Fact]:
        event = GenerationExpired(
            user_id=self.user,
            style_id=self.style_id,
            attempt=1,
            task_id=self.task_id,
            code="not_started",
        )
        return [Fact(self.stream, event), release(self.stream, self.user, self.price, "expired")]

    def canceled(self) -> list[Fact]:
        asked = CancelRequested(user_id=self.user, attempt=1, task_id=self.task_id, reason="owner")
        event = GenerationCanceled(
            user_id=self.user,
            style_id=self.style_id,
            attempt=1,
            task_id=self.task_id,
            reason="owner",
            is_confirmed_by_worker=False,
        )
        return [
            Fact(self.stream, asked),
            Fact(self.stream, event),
            release(self.stream, self.user, self.price, "canceled"),
        ]

    def late(self) -> Fact:
        event = LateResultReceived(
            user_id=self.user,
            attempt=1,
            task_id=self.task_id,
            claim=self.claim,
            worker_id=None,
            key="late/1",
            sha256=SHA,
            bytes=2_000,
            content_type="image/png",
            kept_until_at=LATER,
        )
        return Fact(self.stream, event)

    def refunded(self, source: str = "pending") -> Fact:
        event = GenerationRefunded(
            user_id=self.user,
            style_id=self.style_id,
            artist_id=self.artist,
            amount=self.price,
            colours=((PROMO, self.price),),
            split=((PROMO, 45, 5),),
            source=source,
            reason="owner",
            note=None,
        )
        entries = (
            Entry(pending(self.artist), PROMO, -45),
            Entry(REVENUE, PROMO, -5),
            Entry(available(self.user), PROMO, self.price),
        )
        return Fact(self.stream, event, "refund", entries)

    def cleared(self) -> Fact:
        event = EarningsCleared(
            artist_id=self.artist,
            style_id=self.style_id,
            user_id=self.user,
            amount=45,
            colours=((PROMO, 45),),
        )
        entries = (
            Entry(pending(self.artist), PROMO, -45),
            Entry(earned(self.artist), PROMO, 45),
        )
        return Fact(self.stream, event, "clear", entries)


class PurchaseStory:
    """A purchase of the starter package by `user`."""

    def __init__(self, user: UUID) -> None:
        self.user = user
        self.id = new_id(user)
        self.stream = f"purchase-{self.id}"

    def started(self) -> Fact:
        event = PurchaseStarted(
            user_id=self.user,
            package="starter",
            tokens=500,
            price_cents=500,
            currency="USD",
            provider="sandbox",
            expires_at=LATER,
        )
        return Fact(self.stream, event)

    def told(self, event: Event) -> Fact:
        return Fact(self.stream, event)

    def paid(self) -> list[Fact]:
        paid = PurchasePaid(
            user_id=self.user, payment_key="pay-1", amount_cents=500, currency="USD", is_late=False
        )
        issued = TokensIssued(user_id=self.user, amount=500, package="starter")
        entries = (Entry(ISSUANCE, PAID, -500), Entry(available(self.user), PAID, 500))
        return [Fact(self.stream, paid), Fact(self.stream, issued, "issue", entries)]


def hold(stream: str, user: UUID, amount: int) -> Fact:
    """Return a hold of promo tokens."""
    return Fact(
        stream,
        TokensHeld(user_id=user, amount=amount, colours=((PROMO, amount),)),
        "hold",
        (Entry(available(user), PROMO, -amount), Entry(held(user), PROMO, amount)),
    )


def capture(stream: str, user: UUID, artist: UUID | None, style_id: UUID, amount: int) -> Fact:
    """Return the capture of a hold: a tenth for the platform, or all of it without an artist."""
    fee = amount // 10 if artist else amount
    event = HoldCaptured(
        user_id=user,
        artist_id=artist,
        style_id=style_id,
        amount=amount,
        colours=((PROMO, amount),),
        split=((PROMO, amount - fee, fee),),
        refundable_until_at=LATER if artist else None,
        clears_at=LATER if artist else None,
    )
    entries = [Entry(held(user), PROMO, -amount), Entry(REVENUE, PROMO, fee)]
    if artist:
        entries.append(Entry(pending(artist), PROMO, amount - fee))
    return Fact(stream, event, "capture", tuple(entries))


def release(stream: str, user: UUID, amount: int, reason: str) -> Fact:
    """Return the release of a hold."""
    return Fact(
        stream,
        HoldReleased(user_id=user, amount=amount, colours=((PROMO, amount),), reason=reason),
        "release",
        (Entry(held(user), PROMO, -amount), Entry(available(user), PROMO, amount)),
    )
