"""One contract for both object stores: S3's wire protocol and the local folder with its door."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from pytest_django import Settings

from core.storage import (
    MAX_OBJECT_BYTES,
    ContentDiffers,
    KeyInvalid,
    ObjectMissing,
    ObjectTooLarge,
    Stat,
    Store,
    store,
)
from tests.object_stores import s3_server, s3_store, web_server

WAIT_SECONDS = 10


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture(scope="module")
def web_url() -> Iterator[str]:
    with web_server() as url:
        yield url


@pytest.fixture(params=["local", "s3"])
def objects(request: pytest.FixtureRequest, settings: Settings, tmp_path: Path) -> Iterator[Store]:
    """Yield each store in turn, reached over HTTP by what it gives away."""
    if request.param == "s3":
        yield s3_store(request.getfixturevalue("s3_url"))
        return
    settings.S3_BUCKET = settings.S3_ENDPOINT_URL = ""
    settings.S3_ACCESS_KEY_ID = settings.S3_SECRET_ACCESS_KEY = ""
    settings.STATE_DIR = tmp_path
    settings.PUBLIC_URL = request.getfixturevalue("web_url")
    yield store()


def upload(objects: Store, key: str, data: bytes, **limits: object) -> requests.Response:
    """Upload as every client does: the form's fields, then the file."""
    form = objects.upload_form(
        key, max_bytes=1_000, content_type="image/png", expires_seconds=60, **limits
    )
    return requests.post(
        form["url"], data=form["fields"], files={"file": data}, timeout=WAIT_SECONDS
    )


def test_what_was_put_is_read_back(objects: Store) -> None:
    objects.put("models/a.safetensors", b"weights", "application/octet-stream")
    assert objects.read("models/a.safetensors", 7) == b"weights"


def test_a_put_replaces_what_was_there(objects: Store) -> None:
    objects.put("models/a", b"first", "application/octet-stream")
    objects.put("models/a", b"second", "application/octet-stream")
    assert objects.read("models/a", 100) == b"second"


def test_reading_more_than_the_limit_is_refused(objects: Store) -> None:
    objects.put("models/a", b"12345678", "application/octet-stream")
    with pytest.raises(ObjectTooLarge):
        objects.read("models/a", 7)


def test_a_missing_object_is_told_apart_from_a_failure(objects: Store) -> None:
    assert objects.head("models/none") is None
    with pytest.raises(ObjectMissing):
        objects.read("models/none", 100)


def test_head_tells_size_and_checksum(objects: Store) -> None:
    objects.put("models/a", b"weights", "application/octet-stream")
    assert objects.head("models/a") == Stat(bytes=7, sha256=hashlib.sha256(b"weights").hexdigest())


def test_a_deleted_object_is_gone_and_deleting_again_is_no_error(objects: Store) -> None:
    objects.put("models/a", b"weights", "application/octet-stream")
    objects.delete("models/a")
    objects.delete("models/a")
    assert objects.head("models/a") is None


def test_a_kept_result_is_never_overwritten_by_other_content(objects: Store) -> None:
    """G6: what was paid for stays what was checked."""
    objects.keep("results/a/b", b"checked", "image/png")
    objects.keep("results/a/b", b"checked", "image/png")
    with pytest.raises(ContentDiffers):
        objects.keep("results/a/b", b"other", "image/png")
    assert objects.read("results/a/b", 100) == b"checked"


def test_nothing_is_kept_where_others_may_write(objects: Store) -> None:
    with pytest.raises(KeyInvalid):
        objects.keep("uploads/a", b"checked", "image/png")


def test_a_form_uploads_one_object(objects: Store) -> None:
    answer = upload(objects, "uploads/a/picture", b"picture")
    assert answer.status_code == 204
    assert objects.read("uploads/a/picture", 100) == b"picture"


def test_a_form_with_a_checksum_takes_that_content(objects: Store) -> None:
    digest = hashlib.sha256(b"picture").hexdigest()
    assert upload(objects, "uploads/a", b"picture", sha256=digest).status_code == 204
    assert objects.read("uploads/a", 100) == b"picture"


def test_a_link_downloads_one_object(objects: Store) -> None:
    objects.keep("results/a/b", b"\x89PNG\r\n\x1a\n", "image/png")
    answer = requests.get(
        objects.download_url("results/a/b", expires_seconds=60), timeout=WAIT_SECONDS
    )
    assert (answer.status_code, answer.content) == (200, b"\x89PNG\r\n\x1a\n")
    assert answer.headers["Content-Type"] == "image/png"


def test_a_link_may_name_the_file_and_its_type(objects: Store) -> None:
    objects.put("exports/a", b"{}", "application/json")
    url = objects.download_url(
        "exports/a", expires_seconds=60, filename="그림\r\n.json", content_type="application/json"
    )
    answer = requests.get(url, timeout=WAIT_SECONDS)
    assert answer.headers["Content-Type"] == "application/json"
    expected = "attachment; filename*=utf-8''%EA%B7%B8%EB%A6%BC__.json"
    assert answer.headers["Content-Disposition"] == expected


def test_a_link_to_a_missing_object_answers_404(objects: Store) -> None:
    url = objects.download_url("results/none", expires_seconds=60)
    assert requests.get(url, timeout=WAIT_SECONDS).status_code == 404


HOSTILE_KEYS = [
    "",
    "/etc/passwd",
    "..",
    "../a",
    "a/../b",
    "a/..",
    "a//b",
    "a/",
    "./a",
    ".drafts/a",
    "a/.hidden",
    "a\\b",
    "a\0b",
    "a\n",
    "A",
    "a b",
    "а",
    "٣",
    "a" * 201,
    "/".join(["a" * 100] * 6),
    "%2e%2e/a",
]


@pytest.mark.parametrize("key", HOSTILE_KEYS)
def test_a_hostile_key_is_refused_by_every_method(objects: Store, key: str) -> None:
    limits = {"max_bytes": 1, "content_type": "image/png", "expires_seconds": 60}
    for act in (
        lambda: objects.put(key, b"x", "image/png"),
        lambda: objects.keep(key, b"x", "image/png"),
        lambda: objects.read(key, 1),
        lambda: objects.head(key),
        lambda: objects.delete(key),
        lambda: objects.upload_form(key, **limits),
        lambda: objects.upload_form(f"uploads/{key}", **limits),
        lambda: objects.download_url(key, expires_seconds=60),
    ):
        with pytest.raises(KeyInvalid):
            act()


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": "results/a"},
        {"max_bytes": 0},
        {"max_bytes": MAX_OBJECT_BYTES + 1},
        {"content_type": "text/html; charset=utf-8"},
        {"content_type": "image/png\r\nX: y"},
        {"expires_seconds": 0},
        {"expires_seconds": 7 * 24 * 3600 + 1},
        {"sha256": "A" * 64},
        {"sha256": "00"},
    ],
)
def test_a_form_beyond_the_rules_is_not_given(objects: Store, wrong: dict[str, object]) -> None:
    allowed = {
        "key": "uploads/a",
        "max_bytes": 1,
        "content_type": "image/png",
        "expires_seconds": 60,
    }
    with pytest.raises(KeyInvalid):
        objects.upload_form(**(allowed | wrong))


def test_a_link_that_outlives_the_limit_is_not_given(objects: Store) -> None:
    with pytest.raises(KeyInvalid):
        objects.download_url("results/a", expires_seconds=7 * 24 * 3600 + 1)


def test_more_than_any_object_may_hold_is_not_put(objects: Store) -> None:
    with pytest.raises(ObjectTooLarge):
        objects.put("models/a", bytes(MAX_OBJECT_BYTES + 1), "application/octet-stream")
