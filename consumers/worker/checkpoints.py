"""Saves a training's checkpoints while it goes on: one at a time, and never in its way."""

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

from consumers.worker.objects import MAX_RESULT_BYTES, Objects, StoreRefused
from consumers.worker.retry import Unreachable
from consumers.worker.task import Upload

logger = logging.getLogger(__name__)
CONTENT_TYPE = "application/octet-stream"
PART_AT_STAKE = 1 / 7
"""Of a training's time so far, what passes before the next checkpoint: 85 do for a whole day.

A server keeps 100."""


class Checkpoints:
    """Uploads a checkpoint in a thread; `stated` then tells the server of it until it answers."""

    def __init__(self, upload: Upload | None) -> None:
        self._upload = upload
        self._is_busy = False
        self._stated: Mapping[str, Any] | None = None
        self._begun_at = self._next_at = time.monotonic()

    @property
    def stated(self) -> Mapping[str, Any] | None:
        """What to report: {epoch, sha256, bytes} of an uploaded checkpoint without an answer."""
        return self._stated

    def save(self, epoch: int, make_bytes: Callable[[], bytes]) -> bool:
        """Begin to save what the function returns, and return whether that was begun.

        It is not, and the function is not called, while an earlier one is under way or not long
        ago, or where the task has no place for checkpoints. A checkpoint is a help only: no failure
        is raised.
        """
        now = time.monotonic()
        if self._upload is None or self._is_busy or now < self._next_at:
            return False
        content = make_bytes()
        if not isinstance(content, bytes) or not 0 < len(content) <= MAX_RESULT_BYTES:
            _log(logging.ERROR, "checkpoint_too_large", epoch=epoch)
            return False
        self._is_busy = True
        self._next_at = now + (now - self._begun_at) * PART_AT_STAKE
        sender = threading.Thread(
            target=self._send, args=(self._upload, epoch, content), name="checkpoint", daemon=True
        )
        sender.start()
        return True

    def answered(self, epoch: int, said: str) -> None:
        """Take what the server said of the checkpoint of an epoch, and be free for the next."""
        if self._stated is not None and self._stated["epoch"] == epoch:
            is_kept = said == "kept"
            level = logging.INFO if is_kept else logging.WARNING
            _log(level, "checkpoint_kept" if is_kept else "checkpoint_not_kept", epoch=epoch)
            self._stated, self._is_busy = None, False

    def _send(self, upload: Upload, epoch: int, content: bytes) -> None:
        try:
            with closing(Objects()) as objects:
                objects.deliver(upload, content, CONTENT_TYPE)
        except (StoreRefused, Unreachable) as error:
            _log(logging.WARNING, "checkpoint_not_stored", epoch=epoch, cause=str(error))
            self._is_busy = False
            return
        digest = hashlib.sha256(content).hexdigest()
        self._stated = {"epoch": epoch, "sha256": digest, "bytes": len(content)}


def _log(level: int, event: str, **facts: Any) -> None:
    logger.log(level, event, extra={"facts": facts})
