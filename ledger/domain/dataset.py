"""Datasets: the training images of a style, and the lock while a training uses them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from ledger.domain.change import Change
from ledger.domain.errors import DuplicateImage, TooManyImages, TrainingInProgress, UnknownImage
from ledger.domain.events import (
    DatasetLocked,
    DatasetUnlocked,
    Event,
    ImageAdded,
    ImageRemoved,
    Sealed,
)
from ledger.domain.style import StyleState, owned
from ledger.domain.terms import Terms


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetState:
    """The images of a style: SHA-256 by image id, in the order they were added."""

    images: Mapping[UUID, str] = field(default_factory=lambda: MappingProxyType({}))
    locked_by: UUID | None = None

    @property
    def manifest_sha256(self) -> str:
        """The SHA-256 over the SHA-256s of the images, a line each, in order."""
        lines = "".join(f"{sha256}\n" for sha256 in self.images.values())
        return hashlib.sha256(lines.encode()).hexdigest()


EMPTY = DatasetState()


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetCommand:
    """An artist's command for the training images of one of their styles."""

    style_id: UUID
    artist_id: UUID

    @property
    def stream(self) -> str:
        """The dataset's stream."""
        return dataset_stream(self.style_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class AddImage(DatasetCommand):
    """Add a picture that was checked and is stored under `key`."""

    image_id: UUID
    key: str
    sha256: str
    bytes: int
    content_type: str
    width: int
    height: int
    caption: Sealed | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoveImage(DatasetCommand):
    """Remove a picture from the training images."""

    image_id: UUID


def dataset_stream(style_id: UUID) -> str:
    """Return the stream of a style's training images."""
    return f"dataset-{style_id}"


def evolve(state: DatasetState | None, event: Event, at: datetime) -> DatasetState:
    """Return the dataset after `event`; it begins empty, and no rule asks when it changed."""
    dataset = state or EMPTY
    match event:
        case ImageAdded():
            images = {**dataset.images, event.image_id: event.sha256}
            return replace(dataset, images=MappingProxyType(images))
        case ImageRemoved():
            left = {key: sha for key, sha in dataset.images.items() if key != event.image_id}
            return replace(dataset, images=MappingProxyType(left))
        case DatasetLocked():
            return replace(dataset, locked_by=event.training_id)
        case DatasetUnlocked():
            return replace(dataset, locked_by=None)
        case _:
            return dataset


def unlocked(dataset: DatasetState | None) -> DatasetState:
    """Return the dataset, or raise TrainingInProgress."""
    if dataset is not None and dataset.locked_by is not None:
        raise TrainingInProgress
    return dataset or EMPTY


def add_image(
    command: AddImage, *, terms: Terms, style: StyleState | None, dataset: DatasetState | None
) -> list[Change]:
    """Add a picture that the style does not have yet.

    Raises UnknownStyle, NotTheOwner, TrainingInProgress, DuplicateImage, TooManyImages.
    """
    artist_id = owned(style, artist_id=command.artist_id).artist_id
    images = unlocked(dataset).images
    if command.sha256 in images.values():
        raise DuplicateImage
    if len(images) >= terms.max_images:
        raise TooManyImages(maximum=terms.max_images)
    event = ImageAdded(
        artist_id=artist_id,
        image_id=command.image_id,
        key=command.key,
        sha256=command.sha256,
        bytes=command.bytes,
        content_type=command.content_type,
        width=command.width,
        height=command.height,
        caption=command.caption,
    )
    return [Change(command.stream, event)]


def remove_image(
    command: RemoveImage, *, style: StyleState | None, dataset: DatasetState | None
) -> list[Change]:
    """Remove a picture. Raises UnknownStyle, NotTheOwner, TrainingInProgress, UnknownImage."""
    artist_id = owned(style, artist_id=command.artist_id).artist_id
    images = unlocked(dataset).images
    if command.image_id not in images:
        raise UnknownImage
    event = ImageRemoved(
        artist_id=artist_id, image_id=command.image_id, sha256=images[command.image_id]
    )
    return [Change(command.stream, event)]
