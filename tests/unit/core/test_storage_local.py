"""The folder of the local storage: atomic, private, and honest about failures."""

import os
import stat
import time
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from core.storage import (
    KeyInvalid,
    LinkInvalid,
    LocalStore,
    ObjectMissing,
    ObjectTooLarge,
    StoreUnavailable,
    local_store,
    store,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "state" / "files"


@pytest.fixture
def objects(root: Path) -> LocalStore:
    return LocalStore(root=root, public_url="http://ledger", secret=b"secret")


def drafts(root: Path) -> list[Path]:
    return list((root / ".drafts").iterdir())


def test_only_the_owner_may_enter_the_folder(objects: LocalStore, root: Path) -> None:
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    objects.put("a/b", b"x", "image/png")
    assert stat.S_IMODE((root / "a/b").stat().st_mode) == 0o600


def test_a_folder_that_was_open_is_closed(root: Path) -> None:
    root.mkdir(parents=True, mode=0o755)
    LocalStore(root=root, public_url="", secret=b"")
    assert stat.S_IMODE(root.stat().st_mode) == 0o700


def test_an_interrupted_write_leaves_the_old_object_and_no_draft(
    objects: LocalStore, root: Path
) -> None:
    """G12: an object is whole or absent."""
    objects.put("a", b"old", "image/png")
    draft = objects.draft(2)
    draft.write(b"ne")
    with draft, pytest.raises(ObjectTooLarge):
        draft.write(b"w")
    assert objects.read("a", 100) == b"old"
    assert drafts(root) == []


def test_nothing_is_left_behind_by_a_finished_write(objects: LocalStore, root: Path) -> None:
    objects.put("a", b"x", "image/png")
    objects.keep("b", b"x", "image/png")
    objects.keep("b", b"x", "image/png")
    assert drafts(root) == []


def test_a_draft_abandoned_by_a_killed_process_is_removed_after_a_day(root: Path) -> None:
    folder = root / ".drafts"
    folder.mkdir(parents=True)
    old, new = folder / "old", folder / "new"
    old.write_bytes(b"x")
    new.write_bytes(b"x")
    os.utime(old, (time.time() - 90_000,) * 2)
    LocalStore(root=root, public_url="", secret=b"")
    assert drafts(root) == [new]


def test_a_key_cannot_be_the_folder_of_another(objects: LocalStore) -> None:
    objects.put("a/b", b"x", "image/png")
    for act in (
        lambda: objects.put("a", b"x", "image/png"),
        lambda: objects.put("a/b/c", b"x", "image/png"),
        lambda: objects.keep("a", b"x", "image/png"),
        lambda: objects.read("a", 1),
        lambda: objects.read("a/b/c", 1),
    ):
        with pytest.raises(KeyInvalid):
            act()


def test_a_full_disk_means_later(objects: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreUnavailable):
        objects.put("a", b"x", "image/png")
    with pytest.raises(ObjectMissing):
        objects.read("a", 1)


def test_a_lost_folder_means_later(objects: LocalStore, root: Path) -> None:
    (root / ".drafts").rmdir()
    with pytest.raises(StoreUnavailable):
        objects.put("a", b"x", "image/png")


def test_the_settings_choose_the_folder_unless_a_bucket_is_named(
    settings: Settings, tmp_path: Path
) -> None:
    settings.STATE_DIR = tmp_path
    settings.S3_BUCKET = settings.S3_ENDPOINT_URL = ""
    settings.S3_ACCESS_KEY_ID = settings.S3_SECRET_ACCESS_KEY = ""
    assert isinstance(store(), LocalStore)
    assert store() is local_store()
    settings.S3_BUCKET = "objects"
    assert not isinstance(store(), LocalStore)
    with pytest.raises(LinkInvalid):
        local_store()


@pytest.mark.parametrize("name", ["S3_ENDPOINT_URL", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"])
def test_s3_set_in_part_is_refused(settings: Settings, name: str) -> None:
    settings.S3_BUCKET = ""
    setattr(settings, name, "something")
    with pytest.raises(ImproperlyConfigured):
        store()
