"""What only S3 has: signed policies, failures of the network, and two writers at once.

moto checks no signature, expiry or length; what we ask S3 to check is read from the policy.
"""

import base64
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from pytest_django import Settings

from core.storage import ContentDiffers, StoreUnavailable, UploadForm, store
from core.storage.s3 import S3Store
from tests.object_stores import closed_port, s3_server, s3_store

WAIT_SECONDS = 10


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with s3_server() as running:
        yield running


@pytest.fixture
def objects(url: str) -> S3Store:
    return s3_store(url)


def at(endpoint_url: str | None, bucket: str = "none") -> S3Store:
    return S3Store(
        bucket=bucket,
        endpoint_url=endpoint_url,
        access_key_id="key",
        secret_access_key="secret",
        region="us-east-1",
    )


def policy(form: UploadForm) -> dict[str, list[object]]:
    return dict(json.loads(base64.b64decode(form["fields"]["policy"])))


def test_a_missing_bucket_is_made_and_a_second_time_changes_nothing(url: str) -> None:
    objects = at(url, "made-by-us")
    for _ in range(2):
        objects.create()
        objects.put("a", b"data", "text/plain")
        assert objects.read("a", 10) == b"data"


def test_a_form_states_key_type_length_and_end() -> None:
    """S3 refuses what breaks the policy that we sign."""
    form = at(None, "objects").upload_form(
        "uploads/a", max_bytes=100, content_type="image/png", expires_seconds=60
    )
    conditions = policy(form)["conditions"]
    assert {"bucket": "objects"} in conditions
    assert {"key": "uploads/a"} in conditions
    assert {"Content-Type": "image/png"} in conditions
    assert ["content-length-range", 1, 100] in conditions
    ends_at = datetime.fromisoformat(str(policy(form)["expiration"]))
    assert 50 < (ends_at - datetime.now(UTC)).total_seconds() <= 60


def test_a_form_states_the_checksum_that_was_announced() -> None:
    form = at(None).upload_form(
        "uploads/a", max_bytes=1, content_type="image/png", expires_seconds=60, sha256="00" * 32
    )
    assert {"x-amz-checksum-sha256": "A" * 43 + "="} in policy(form)["conditions"]
    assert {"x-amz-checksum-algorithm": "SHA256"} in policy(form)["conditions"]


def test_a_link_states_its_end() -> None:
    link = urlsplit(at(None, "objects").download_url("results/a", expires_seconds=60))
    assert link.scheme == "https"
    assert link.path == "/results/a"
    assert parse_qs(link.query)["X-Amz-Expires"] == ["60"]
    assert parse_qs(link.query)["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]


def test_an_upload_keeps_its_type(objects: S3Store) -> None:
    form = objects.upload_form(
        "uploads/a", max_bytes=100, content_type="image/jpeg", expires_seconds=60
    )
    requests.post(
        form["url"], data=form["fields"], files={"file": b"picture"}, timeout=WAIT_SECONDS
    )
    link = objects.download_url("uploads/a", expires_seconds=60)
    answer = requests.get(link, timeout=WAIT_SECONDS)
    assert answer.headers["Content-Type"] == "image/jpeg"


def test_an_upload_without_checksum_has_none_to_tell(objects: S3Store) -> None:
    """The result's SHA-256 is then computed by whoever reads it (G6)."""
    form = objects.upload_form(
        "uploads/a", max_bytes=100, content_type="image/png", expires_seconds=60
    )
    requests.post(
        form["url"], data=form["fields"], files={"file": b"picture"}, timeout=WAIT_SECONDS
    )
    stat = objects.head("uploads/a")
    assert stat is not None
    assert (stat.bytes, stat.sha256) == (7, None)


@pytest.mark.parametrize("first", [b"checked", b"other"])
def test_of_two_who_keep_at_once_the_first_one_wins(
    objects: S3Store, monkeypatch: pytest.MonkeyPatch, first: bytes
) -> None:
    """The second one looked before the first had written: If-None-Match decides."""
    objects.keep("results/a", first, "image/png")
    monkeypatch.setattr(objects, "head", lambda key: None)
    if first == b"checked":
        objects.keep("results/a", b"checked", "image/png")
    else:
        with pytest.raises(ContentDiffers):
            objects.keep("results/a", b"checked", "image/png")
    assert objects.read("results/a", 100) == first


def test_a_missing_bucket_is_a_failure_and_not_a_missing_object(url: str) -> None:
    """Otherwise a wrong setting would fail every job with `result_missing`."""
    with pytest.raises(StoreUnavailable):
        at(url).read("results/a", 1)
    with pytest.raises(StoreUnavailable):
        at(url).put("results/a", b"x", "image/png")


def test_a_server_that_is_gone_means_later_and_soon(url: str) -> None:
    gone = at(f"http://127.0.0.1:{closed_port()}")
    started_at = time.monotonic()
    for act in (
        lambda: gone.head("a"),
        lambda: gone.read("a", 1),
        lambda: gone.put("a", b"x", "image/png"),
        lambda: gone.keep("a", b"x", "image/png"),
        lambda: gone.delete("a"),
    ):
        with pytest.raises(StoreUnavailable):
            act()
    assert time.monotonic() - started_at < 30


def test_every_wait_and_retry_has_a_limit() -> None:
    config = at(None)._client.meta.config
    assert (config.connect_timeout, config.read_timeout) == (3, 20)
    assert config.retries == {"mode": "standard", "total_max_attempts": 3}


def test_the_settings_choose_s3_when_a_bucket_is_named(settings: Settings, url: str) -> None:
    made = s3_store(url)
    settings.S3_BUCKET = made._bucket
    settings.S3_ENDPOINT_URL = url
    settings.S3_ACCESS_KEY_ID = "key"
    settings.S3_SECRET_ACCESS_KEY = "secret"
    assert store() is store()
    store().put("a", b"x", "image/png")
    assert made.read("a", 1) == b"x"
