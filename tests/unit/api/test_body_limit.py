"""A body is stopped at its limit while it arrives."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from api.body_limit import FORM_BYTES, MAX_BODY_BYTES, BodyLimit, body_limit
from core.storage import local_store


def exchange(path: str, bodies: list[bytes], announced: int | None = None) -> list[dict[str, Any]]:
    """Send one request through the limit to an application that counts; return its answer."""
    taken: list[int] = []
    sent: list[dict[str, Any]] = []
    messages = [
        {"type": "http.request", "body": body, "more_body": number < len(bodies)}
        for number, body in enumerate(bodies, start=1)
    ]

    async def application(scope: Any, receive: Any, send: Any) -> None:
        while (message := await receive())["type"] != "http.disconnect":
            taken.append(len(message["body"]))
            if not message["more_body"]:
                await send({"type": "counted", "bytes": sum(taken)})
                return

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [] if announced is None else [(b"content-length", str(announced).encode())]
    scope = {"type": "http", "path": path, "headers": headers}
    asyncio.run(BodyLimit(application)(scope, receive, send))
    return sent


@pytest.fixture
def upload_path(settings: Settings, tmp_path: Path) -> str:
    settings.S3_BUCKET = settings.S3_ENDPOINT_URL = ""
    settings.S3_ACCESS_KEY_ID = settings.S3_SECRET_ACCESS_KEY = ""
    settings.STATE_DIR = tmp_path
    settings.PUBLIC_URL = ""
    form = local_store().upload_form(
        "uploads/a", max_bytes=100, content_type="image/png", expires_seconds=60
    )
    return form["url"]


def test_a_body_within_the_limit_passes(upload_path: str) -> None:
    exact = [bytes(FORM_BYTES), bytes(100)]
    assert exchange(upload_path, exact) == [{"type": "counted", "bytes": FORM_BYTES + 100}]


def test_a_body_of_unknown_length_is_cut_at_the_limit(upload_path: str) -> None:
    start, content = exchange(upload_path, [bytes(FORM_BYTES), bytes(101), b"never read"])
    assert start["status"] == 413
    assert json.loads(content["body"])["error"]["code"] == "too_large"


def test_json_beyond_its_limit_is_no_file(settings: Settings) -> None:
    start, content = exchange("/api/auth/login/", [bytes(settings.MAX_JSON_BYTES), b"x"])
    assert start["status"] == 413
    error = json.loads(content["body"])["error"]
    assert error["code"] == "payload_too_large"
    assert error["details"] == {"limit_bytes": settings.MAX_JSON_BYTES}


def test_an_announced_body_beyond_the_limit_is_not_read_at_all(upload_path: str) -> None:
    assert exchange(upload_path, [], announced=FORM_BYTES + 101)[0]["status"] == 413


def test_each_path_has_its_limit(upload_path: str, settings: Settings) -> None:
    assert body_limit(upload_path) == FORM_BYTES + 100
    assert body_limit(f"/api{upload_path}") == FORM_BYTES + 100
    assert body_limit("/files/forged") == FORM_BYTES
    assert body_limit("/api/styles/", b"multipart/form-data; boundary=x") == MAX_BODY_BYTES
    assert body_limit("/api/styles/", b"application/json") == settings.MAX_JSON_BYTES


def test_what_is_no_request_is_left_alone() -> None:
    seen: list[str] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    asyncio.run(BodyLimit(application)({"type": "lifespan"}, None, None))
    assert seen == ["lifespan"]
