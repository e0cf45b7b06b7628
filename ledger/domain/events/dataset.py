"""The training images of a style: streams dataset-<uuid>, same uuid as the style."""

from dataclasses import dataclass
from uuid import UUID

from ledger.domain.events.base import Event, Sealed


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageAdded(Event):
    """A checked picture, stored under `key`, belongs to the style's training images."""

    artist_id: UUID
    image_id: UUID
    key: str
    sha256: str
    bytes: int
    content_type: str
    width: int
    height: int
    caption: Sealed | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageRemoved(Event):
    """The picture is no training image any more."""

    artist_id: UUID
    image_id: UUID
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageCaptioned(Event):
    """The picture has a new caption; None takes it away."""

    artist_id: UUID
    image_id: UUID
    caption: Sealed | None


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetLocked(Event):
    """A training uses the images: they cannot change, and no other training can begin."""

    artist_id: UUID
    training_id: UUID
    image_count: int
    manifest_sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetUnlocked(Event):
    """The training has ended; `outcome` is its terminal status."""

    artist_id: UUID
    training_id: UUID
    outcome: str
