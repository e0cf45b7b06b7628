"""Tasks are read with distrust: what cannot be answered is refused, without quoting it."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from consumers.worker.job import JobFailed
from consumers.worker.task import MAX_IMAGES, TaskInvalid, downloads_of, read_task

SHA256 = "ab" * 32


def task_body() -> dict[str, Any]:
    return {
        "task_id": str(uuid4()),
        "type": "image_generation",
        "deadline": "2026-11-23T12:10:00.000000Z",
        "data": {"prompt": "a fox", "model": {"url": "http://store/m", "sha256": SHA256}},
        "upload": {"url": "https://store/u", "fields": {"key": "u"}},
        "callbacks": {
            action: f"http://server/{action}"
            for action in ("started", "progress", "complete", "failed")
        },
    }


def read(body: Any) -> Any:
    return read_task(json.dumps(body).encode())


def test_a_task_is_read() -> None:
    body = task_body()
    task = read(body)
    assert task.task_id == body["task_id"]
    assert task.upload.fields == {"key": "u"}
    (download,) = downloads_of(task)
    assert (download.url, download.sha256) == ("http://store/m", SHA256)


def test_a_training_may_have_a_place_for_checkpoints() -> None:
    upload = {"url": "http://store/c", "fields": {"key": "c"}}
    assert read(task_body()).checkpoint_upload is None
    task = read(task_body() | {"checkpoint_upload": upload})
    assert (task.checkpoint_upload.url, task.checkpoint_upload.fields) == tuple(upload.values())


TRACE = f"00-{'a' * 32}-{'b' * 16}-01"


@pytest.mark.parametrize(
    ("stated", "known"),
    [({}, ""), ({"traceparent": TRACE}, TRACE)]
    + [({"traceparent": wild}, "") for wild in (7, None, [], "x", TRACE + "\r\nX-Evil: 1")],
)
def test_a_task_may_state_its_trace_and_a_wild_one_is_none(
    stated: dict[str, Any], known: str
) -> None:
    assert read(task_body() | stated).traceparent == known


@pytest.mark.parametrize(("stated", "known"), [({}, 0), ({"lease_seconds": 60}, 60)])
def test_a_task_may_state_its_lease(stated: dict[str, int], known: float) -> None:
    assert read(task_body() | stated).lease_seconds == known


def test_prompts_and_signed_urls_do_not_show_in_the_representation() -> None:
    shown = repr(read(task_body()))
    assert "fox" not in shown
    assert "store" not in shown


@pytest.mark.parametrize("fields", [None, {}])
def test_an_upload_may_have_no_fields(fields: object) -> None:
    body = task_body()
    body["upload"]["fields"] = fields
    assert read(body).upload.fields == {}


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.pop("task_id"),
        lambda body: body.update(task_id="x"),
        lambda body: body.update(task_id=7),
        lambda body: body.update(type=None),
        lambda body: body.pop("deadline"),
        lambda body: body.update(deadline="2026-11-23T12:10:00"),
        lambda body: body.update(deadline=7),
        lambda body: body.update(checkpoint_upload={"url": "ftp://store/"}),
        lambda body: body.update(checkpoint_upload={"url": "http://store/", "fields": {"k": 1}}),
        lambda body: body.update(checkpoint_upload=[1]),
        lambda body: body.update(lease_seconds="60"),
        lambda body: body.update(lease_seconds=True),
        lambda body: body.update(lease_seconds=-1),
        lambda body: body.update(data=[]),
        lambda body: body.pop("upload"),
        lambda body: body.update(upload=[]),
        lambda body: body["upload"].update(url="ftp://store/"),
        lambda body: body["upload"].update(url=None),
        lambda body: body["upload"].update(fields={"key": 1}),
        lambda body: body["upload"].update(fields=[1]),
        lambda body: body["callbacks"].pop("failed"),
        lambda body: body["callbacks"].update(progress="javascript:x"),
        lambda body: body["callbacks"].update(progress="http://"),
    ],
)
def test_a_malformed_task_is_refused(change: Callable[[dict[str, Any]], object]) -> None:
    body = task_body()
    change(body)
    with pytest.raises(TaskInvalid) as refused:
        read(body)
    assert "fox" not in str(refused.value)


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b"null", b"[" * 100_000, b" " * 1_048_577])
def test_a_message_that_is_no_task_is_refused(body: bytes) -> None:
    with pytest.raises(TaskInvalid):
        read_task(body)


IMAGE = {"url": "http://store/i", "sha256": SHA256}


@pytest.mark.parametrize(
    "images",
    [
        None,
        "text",
        [IMAGE] * (MAX_IMAGES + 1),
        [{"url": "http://store/i"}],
        [IMAGE | {"sha256": SHA256.upper()}],
        [IMAGE | {"url": "file:///etc/passwd"}],
        [IMAGE | {"caption": 7}],
        [7],
    ],
)
def test_malformed_images_fail_the_task_for_good(images: object) -> None:
    body = task_body() | {"type": "model_training", "data": {"images": images}}
    with pytest.raises(JobFailed) as failed:
        downloads_of(read(body))
    assert (failed.value.code, failed.value.retryable) == ("task_invalid", False)


def test_captions_come_with_the_images() -> None:
    images = [IMAGE, IMAGE | {"caption": "a vein"}, IMAGE | {"caption": None}]
    body = task_body() | {"type": "model_training", "data": {"images": images}}
    assert [download.caption for download in downloads_of(read(body))] == ["", "a vein", ""]
