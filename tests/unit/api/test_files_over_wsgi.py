"""The door of the local storage under a server that hands over the body while it arrives."""

import io
from pathlib import Path

import pytest
from django.test import RequestFactory
from pytest_django import Settings

from api.files import files
from core.storage import LocalStore, local_store


class CutStream(io.RawIOBase):
    """A connection that breaks after its first bytes."""

    def __init__(self, first: bytes) -> None:
        self._first = first

    def read(self, size: int = -1) -> bytes:
        data, self._first = self._first, b""
        if not data:
            raise ConnectionResetError
        return data


@pytest.fixture
def objects(settings: Settings, tmp_path: Path) -> LocalStore:
    settings.S3_BUCKET = settings.S3_ENDPOINT_URL = ""
    settings.S3_ACCESS_KEY_ID = settings.S3_SECRET_ACCESS_KEY = ""
    settings.STATE_DIR = tmp_path
    return local_store()


def send(objects: LocalStore, method: str, content_type: str, **environ: object) -> int:
    """Hand one request to the view and return its status."""
    form = objects.upload_form(
        "uploads/a", max_bytes=100, content_type="image/png", expires_seconds=60
    )
    request = RequestFactory().generic(method, "/", b"whole", content_type=content_type, **environ)
    status = files(request, form["url"].rpartition("/")[2]).status_code
    assert objects.head("uploads/a") is None
    assert list((objects.root / ".drafts").iterdir()) == []
    return status


@pytest.mark.parametrize(
    ("method", "content_type", "first"),
    [
        ("PUT", "image/png", b"half"),
        ("POST", "multipart/form-data; boundary=b", b"--b\r\nContent-Dis"),
    ],
)
def test_a_connection_that_breaks_leaves_nothing(
    objects: LocalStore, method: str, content_type: str, first: bytes
) -> None:
    environ = {"wsgi.input": CutStream(first), "CONTENT_LENGTH": "50"}
    assert send(objects, method, content_type, **environ) == 400


def test_a_body_shorter_than_announced_leaves_nothing(objects: LocalStore) -> None:
    environ = {"wsgi.input": io.BytesIO(b"half"), "CONTENT_LENGTH": "50"}
    assert send(objects, "PUT", "image/png", **environ) == 400


def test_the_door_itself_forbids_to_guess_types(objects: LocalStore) -> None:
    """The header does not depend on a middleware."""
    objects.put("a", b"x", "image/png")
    token = objects.download_url("a", expires_seconds=60).rpartition("/")[2]
    assert files(RequestFactory().get("/"), token)["X-Content-Type-Options"] == "nosniff"
