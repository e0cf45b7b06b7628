"""A task as it comes over the wire (design section 9), read with distrust."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from consumers.worker.job import JobFailed

MODEL_TRAINING = "model_training"
IMAGE_GENERATION = "image_generation"
ACTIONS = ("started", "progress", "complete", "failed")
MAX_TASK_BYTES = 1_048_576
MAX_IMAGES = 100
MAX_IMAGE_BYTES = 16 * 1024 * 1024
MAX_MODEL_BYTES = 32 * 1024 * 1024

_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


class TaskInvalid(Exception):
    """The message is not a task that could be answered."""


@dataclass(frozen=True, kw_only=True)
class Download:
    """A file that the task names, with the SHA-256 it must have and the most bytes to accept."""

    url: str = field(repr=False)
    sha256: str
    max_bytes: int
    caption: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class Upload:
    """Where the result goes: a presigned form if there are fields, else a presigned PUT."""

    url: str = field(repr=False)
    fields: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Task:
    """One attempt at a job; `callbacks` has a URL for each of ACTIONS.

    `lease_seconds` is how long the server waits for a sign of life, 0 if it does not say;
    `checkpoint_upload` is where a training's checkpoints go, None for nowhere; `traceparent` goes
    with every callback, empty if the server gave none.
    """

    task_id: str
    type: str
    deadline: datetime
    data: Mapping[str, Any] = field(repr=False)
    upload: Upload
    callbacks: Mapping[str, str] = field(repr=False)
    lease_seconds: float = 0.0
    checkpoint_upload: Upload | None = None
    traceparent: str = ""


def read_task(body: bytes) -> Task:
    """Read what is needed to answer the task; raises TaskInvalid, without quoting it."""
    if len(body) > MAX_TASK_BYTES:
        raise TaskInvalid("too large")
    try:
        task = json.loads(body)
        callbacks, data, checkpoint = task["callbacks"], task["data"], task.get("checkpoint_upload")
        if not isinstance(data, dict) or not isinstance(task["type"], str):
            raise TaskInvalid("data or type")
        return Task(
            task_id=str(UUID(task["task_id"])),
            type=task["type"],
            deadline=_time(task["deadline"]),
            data=data,
            upload=_upload(task["upload"]),
            callbacks={action: _url(callbacks[action]) for action in ACTIONS},
            lease_seconds=_seconds(task.get("lease_seconds", 0)),
            checkpoint_upload=_upload(checkpoint) if checkpoint else None,
            traceparent=_traceparent(task.get("traceparent")),
        )
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise TaskInvalid(type(error).__name__) from error


def downloads_of(task: Task) -> list[Download]:
    """Return the files that the task's data names; raises JobFailed `task_invalid`."""
    try:
        if task.type == IMAGE_GENERATION:
            return [_download(task.data["model"], MAX_MODEL_BYTES)]
        images = task.data["images"]
        if not isinstance(images, list) or len(images) > MAX_IMAGES:
            raise TypeError
        return [_download(image, MAX_IMAGE_BYTES) for image in images]
    except (KeyError, TypeError, ValueError) as error:
        message = "The task's files are not stated as agreed"
        raise JobFailed("task_invalid", message, retryable=False) from error


def checkpoint_of(task: Task) -> tuple[Download, int] | None:
    """Return the checkpoint that the training may go on from, and its epoch; None for none.

    Raises ValueError for one that is not stated as agreed.
    """
    given = task.data.get("checkpoint")
    if given is None:
        return None
    try:
        size, epoch = given["bytes"], given["epoch"]
        if type(size) is not int or type(epoch) is not int or epoch < 0:
            raise ValueError
        return _download(given, min(size, MAX_MODEL_BYTES)), epoch
    except (KeyError, TypeError) as error:
        raise ValueError from error


def _upload(given: Mapping[str, Any]) -> Upload:
    fields = given.get("fields") or {}
    if not all(isinstance(text, str) for pair in fields.items() for text in pair):
        raise TaskInvalid("upload fields")
    return Upload(url=_url(given["url"]), fields=fields)


def _download(given: Mapping[str, Any], max_bytes: int) -> Download:
    sha256, caption = given["sha256"], given.get("caption") or ""
    if not _SHA256.fullmatch(sha256) or not isinstance(caption, str):
        raise ValueError
    return Download(url=_url(given["url"]), sha256=sha256, max_bytes=max_bytes, caption=caption)


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ValueError
    return float(value)


def _traceparent(value: Any) -> str:
    """Return what may be sent as a header; a trace is no reason to refuse a task."""
    return value if isinstance(value, str) and _TRACEPARENT.fullmatch(value) else ""


def _time(value: Any) -> datetime:
    at = datetime.fromisoformat(value)
    if at.tzinfo is None:
        raise ValueError
    return at


def _url(value: Any) -> str:
    parts = urlsplit(value)
    if not isinstance(value, str) or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError
    return value
