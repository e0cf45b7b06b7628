"""Styles and their training images, as artists and everyone see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.backends.utils import CursorWrapper

from ledger.book.read import shard_of
from ledger.codec import Recorded
from ledger.domain.events import (
    ImageAdded,
    ImageCaptioned,
    ImageRemoved,
    PersonErased,
    Sealed,
    StyleDeactivated,
    StyleDescribed,
    StyleDrafted,
    StylePriced,
    StyleReactivated,
    StyleRenamed,
    StyleTagged,
    StyleTrained,
    TrainingCanceled,
    TrainingExpired,
    TrainingFailed,
    TrainingRequested,
)
from projections.projector import Projector, subject
from projections.reading import MOST_ROWS, Mark, Value, find, newest
from projections.table import Table

MOST_IMAGES = 1_000


@dataclass(slots=True, kw_only=True)
class Style:
    """One style; name and description are sealed, the model's columns None until trained."""

    shard: int
    id: UUID
    artist_id: UUID
    name: str | None
    name_key: UUID | None
    description: str | None
    description_key: UUID | None
    price: int
    tags: list[str]
    training_status: str = "pending"
    training_id: UUID | None = None
    image_count: int = 0
    is_active: bool = True
    model_key: str | None = None
    model_sha256: str | None = None
    model_bytes: int | None = None
    version: int
    created_at: datetime
    updated_at: datetime
    trained_at: datetime | None = None

    @property
    def is_public(self) -> bool:
        """Whether everyone sees the style and can order in it."""
        return self.is_active and self.model_key is not None


@dataclass(slots=True, kw_only=True)
class StyleImage:
    """One training image; `number` grows in the order in which they were added."""

    shard: int
    id: UUID
    style_id: UUID
    number: int
    key: str
    sha256: str
    bytes: int
    content_type: str
    width: int
    height: int
    caption: str | None
    caption_key: UUID | None
    created_at: datetime


STYLE = Table("style", Style, key=("shard", "id"))
STYLE_IMAGE = Table("style_image", StyleImage, key=("shard", "id"))


class StylesProjector(Projector):
    """Folds a style's own stream, its dataset's and its trainings'; all lie in one shard."""

    name = "styles"
    tables = (STYLE, STYLE_IMAGE)
    streams = frozenset({"style", "dataset", "training", "account"})

    def __init__(self, cursor: CursorWrapper, shard: int) -> None:
        super().__init__(cursor, shard)
        self.rows: dict[UUID, Style] = {}
        self.images: dict[UUID, StyleImage] = {}
        self.removed: set[UUID] = set()
        self.erased: list[UUID] = []

    def begin(self, events: Sequence[Recorded]) -> None:
        """Load the styles and captioned images that the page touches."""
        new = {subject(one) for one in events if isinstance(one.event, StyleDrafted)}
        touched = {
            _style_id(one) for one in events if not isinstance(one.event, PersonErased)
        } - new
        captioned = [one.event.image_id for one in events if isinstance(one.event, ImageCaptioned)]
        self.rows = STYLE.load(self.cursor, self.shard, touched)
        self.images = STYLE_IMAGE.load(self.cursor, self.shard, captioned)

    def finish(self) -> None:
        """Store styles and images; then blank what erased people wrote."""
        STYLE.replace(self.cursor, self.rows.values())
        STYLE_IMAGE.replace(self.cursor, self.images.values())
        STYLE_IMAGE.delete(self.cursor, self.shard, self.removed)
        if self.erased:
            self._blank()

    def _blank(self) -> None:
        self.cursor.execute(
            "update style set name = null, name_key = null, description = null,"
            " description_key = null where shard = %(shard)s and artist_id = any(%(artists)s);"
            " update style_image set caption = null, caption_key = null where shard = %(shard)s"
            " and style_id = any(array(select id from style where artist_id = any(%(artists)s)))",
            {"shard": self.shard, "artists": self.erased},
        )

    def _revised(self, recorded: Recorded) -> Style:
        row = self.rows[subject(recorded)]
        row.version = recorded.version
        row.updated_at = recorded.occurred_at
        return row

    def on_style_drafted(self, recorded: Recorded, event: StyleDrafted) -> None:
        """Begin a row."""
        described = event.description
        self.rows[subject(recorded)] = Style(
            shard=recorded.shard,
            id=subject(recorded),
            artist_id=event.artist_id,
            name=event.name.sealed,
            name_key=event.name.key,
            description=described.sealed if described else None,
            description_key=described.key if described else None,
            price=event.price,
            tags=list(event.tags),
            version=recorded.version,
            created_at=recorded.occurred_at,
            updated_at=recorded.occurred_at,
        )

    def on_style_renamed(self, recorded: Recorded, event: StyleRenamed) -> None:
        """Note the new name."""
        row = self._revised(recorded)
        row.name, row.name_key = event.name.sealed, event.name.key

    def on_style_described(self, recorded: Recorded, event: StyleDescribed) -> None:
        """Note the new description."""
        row = self._revised(recorded)
        row.description, row.description_key = event.description.sealed, event.description.key

    def on_style_priced(self, recorded: Recorded, event: StylePriced) -> None:
        """Note the new price."""
        self._revised(recorded).price = event.price

    def on_style_tagged(self, recorded: Recorded, event: StyleTagged) -> None:
        """Note the new tags."""
        self._revised(recorded).tags = list(event.tags)

    def on_style_trained(self, recorded: Recorded, event: StyleTrained) -> None:
        """Note the model."""
        row = self._revised(recorded)
        row.training_status = "completed"
        row.training_id = event.training_id
        row.model_key = event.model_key
        row.model_sha256 = event.model_sha256
        row.model_bytes = event.model_bytes
        row.trained_at = recorded.occurred_at

    def on_style_deactivated(self, recorded: Recorded, event: StyleDeactivated) -> None:
        """Take no more orders."""
        self._revised(recorded).is_active = False

    def on_style_reactivated(self, recorded: Recorded, event: StyleReactivated) -> None:
        """Take orders again."""
        self._revised(recorded).is_active = True

    def on_image_added(self, recorded: Recorded, event: ImageAdded) -> None:
        """Add a training image."""
        style_id = subject(recorded)
        self.rows[style_id].image_count += 1
        self.removed.discard(event.image_id)
        self.images[event.image_id] = StyleImage(
            shard=recorded.shard,
            id=event.image_id,
            style_id=style_id,
            number=recorded.version,
            key=event.key,
            sha256=event.sha256,
            bytes=event.bytes,
            content_type=event.content_type,
            width=event.width,
            height=event.height,
            caption=event.caption.sealed if event.caption else None,
            caption_key=event.caption.key if event.caption else None,
            created_at=recorded.occurred_at,
        )

    def on_image_removed(self, recorded: Recorded, event: ImageRemoved) -> None:
        """Take a training image away."""
        self.rows[subject(recorded)].image_count -= 1
        self.images.pop(event.image_id, None)
        self.removed.add(event.image_id)

    def on_image_captioned(self, recorded: Recorded, event: ImageCaptioned) -> None:
        """Note the new caption."""
        caption: Sealed | None = event.caption
        image = self.images[event.image_id]
        image.caption = caption.sealed if caption else None
        image.caption_key = caption.key if caption else None

    def on_training_requested(self, recorded: Recorded, event: TrainingRequested) -> None:
        """The style is in training."""
        row = self.rows[event.style_id]
        row.training_status = "training"
        row.training_id = subject(recorded)

    def on_training_failed(self, recorded: Recorded, event: TrainingFailed) -> None:
        """The training came to nothing; it may be tried again."""
        self.rows[event.style_id].training_status = "failed"

    def on_training_expired(self, recorded: Recorded, event: TrainingExpired) -> None:
        """The training took too long; it may be tried again."""
        self.rows[event.style_id].training_status = "failed"

    def on_training_canceled(self, recorded: Recorded, event: TrainingCanceled) -> None:
        """The training was called off; it may be tried again."""
        self.rows[event.style_id].training_status = "pending"

    def on_person_erased(self, recorded: Recorded, event: PersonErased) -> None:
        """Remember whose text is to be blanked (G14)."""
        self.erased.append(event.user_id)


def _style_id(recorded: Recorded) -> UUID:
    """Return the style that an event concerns: its own stream's, or the one that it names."""
    named: UUID | None = getattr(recorded.event, "style_id", None)
    return named or subject(recorded)


def style(style_id: UUID) -> Style | None:
    """Return a style as projected, or None; whether it may be seen is the caller's to decide."""
    return find(STYLE, style_id)


def styles_by_id(style_ids: Sequence[UUID]) -> dict[UUID, Style]:
    """Return the styles among up to MOST_ROWS ids, in one query."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"select {STYLE.columns} from style"  # noqa: S608 constants
            " where shard = any(%s) and id = any(%s) limit %s",
            [
                list({shard_of(style_id) for style_id in style_ids}),
                list(style_ids),
                MOST_ROWS,
            ],
        )
        return {row.id: row for row in map(STYLE.build, cursor.fetchall())}


def public_styles(
    *,
    artist_id: UUID | None = None,
    tag: str | None = None,
    limit: int = MOST_ROWS,
    before: Mark | None = None,
) -> list[Style]:
    """Return the styles that take orders, newest first."""
    condition = "is_active and model_key is not null"
    values: dict[str, Value] = {}
    if artist_id is not None:
        condition += " and artist_id = %(artist_id)s"
        values["artist_id"] = artist_id
    if tag is not None:
        condition += " and tags @> %(tags)s"
        values["tags"] = [tag]
    return newest(STYLE, condition, values, limit=limit, before=before)


def styles_of(
    artist_id: UUID, *, limit: int = MOST_ROWS, before: Mark | None = None
) -> list[Style]:
    """Return all styles of an artist, newest first."""
    values: dict[str, Value] = {"artist_id": artist_id}
    return newest(STYLE, "artist_id = %(artist_id)s", values, limit=limit, before=before)


def images_of(style_id: UUID) -> list[StyleImage]:
    """Return a style's training images in the order in which they were added."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"select {STYLE_IMAGE.columns} from style_image"  # noqa: S608 constants
            " where style_id = %s order by number limit %s",
            [style_id, MOST_IMAGES],
        )
        return [STYLE_IMAGE.build(values) for values in cursor.fetchall()]
