"""The training images of a style, and the lock while a training uses them."""

import hashlib
from typing import Any

import pytest

from ledger.domain import dataset
from ledger.domain.change import Change
from ledger.domain.dataset import DatasetState, RemoveImage
from ledger.domain.errors import (
    DuplicateImage,
    NotTheOwner,
    TooManyImages,
    TrainingInProgress,
    UnknownImage,
    UnknownStyle,
)
from ledger.domain.events import AccountClosed
from tests.unit.ledger.domain.stories import (
    ARTIST,
    NOW,
    STRANGER,
    STYLE,
    TERMS,
    UUID,
    draft,
    fold,
    image,
    images,
    names,
    order_training,
    trained,
)

STREAM = f"dataset-{STYLE}"


def add(state: DatasetState | None, number: int, **given: Any) -> list[Change]:
    style = given.pop("style", draft())
    return dataset.add_image(image(number, **given), terms=TERMS, style=style, dataset=state)


def remove(state: DatasetState | None, number: int, artist_id: UUID = ARTIST) -> list[Change]:
    command = RemoveImage(style_id=STYLE, artist_id=artist_id, image_id=UUID(int=1000 + number))
    return dataset.remove_image(command, style=draft(), dataset=state)


def locked() -> DatasetState:
    state: DatasetState = fold(dataset.evolve, order_training(), STREAM, images(10))
    return state


def test_a_picture_is_added_to_an_empty_dataset() -> None:
    changes = add(None, 1)
    assert names(changes) == ["ImageAdded"]
    state = fold(dataset.evolve, changes, STREAM, None)
    assert dict(state.images) == {UUID(int=1001): f"{1:064x}"}


def test_the_same_picture_is_refused_twice_whatever_it_is_called() -> None:
    with pytest.raises(DuplicateImage):
        add(images(3), 99, sha256=f"{1:064x}")


def test_a_picture_that_was_removed_can_be_added_again() -> None:
    state = fold(dataset.evolve, remove(images(3), 1), STREAM, images(3))
    assert len(state.images) == 2
    assert names(add(state, 1)) == ["ImageAdded"]


def test_the_hundred_and_first_picture_is_refused() -> None:
    assert names(add(images(99), 99)) == ["ImageAdded"]
    with pytest.raises(TooManyImages) as refusal:
        add(images(100), 100)
    assert refusal.value.details == {"maximum": 100}


def test_a_picture_that_is_not_there_cannot_be_removed() -> None:
    with pytest.raises(UnknownImage):
        remove(None, 1)


def test_images_cannot_change_while_a_training_uses_them() -> None:
    with pytest.raises(TrainingInProgress):
        add(locked(), 50)
    with pytest.raises(TrainingInProgress):
        remove(locked(), 1)


def test_only_the_owner_changes_the_images() -> None:
    """G13."""
    with pytest.raises(UnknownStyle):
        add(None, 1, artist_id=STRANGER)
    with pytest.raises(UnknownStyle):
        remove(images(2), 1, artist_id=STRANGER)
    with pytest.raises(NotTheOwner):
        add(None, 1, artist_id=STRANGER, style=trained())


def test_the_manifest_is_the_hash_of_the_hashes_in_order() -> None:
    lines = "".join(f"{number:064x}\n" for number in range(3))
    assert images(3).manifest_sha256 == hashlib.sha256(lines.encode()).hexdigest()


def test_a_dataset_stays_as_it_is_otherwise() -> None:
    other = AccountClosed(user_id=ARTIST, reason="owner")
    assert dataset.evolve(None, other, NOW) == dataset.EMPTY
