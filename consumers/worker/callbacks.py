"""The callbacks of one run of a task, numbered and under its claim."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from consumers.worker.courier import Answer, Courier
from consumers.worker.desk import RUN_STRIDE, Claim
from consumers.worker.outbox import FinalCallback, PendingUpload
from consumers.worker.task import Task

PROGRESS_READ_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Series:
    """Callbacks about one task under one claim, whose sequence numbers come after `sequence`."""

    task_id: str
    claim: str
    sequence: int
    url: str = field(repr=False)
    traceparent: str = ""


class Progress:
    """Reports how far a task is; each report has the next number of its series."""

    def __init__(self, courier: Courier, series: Series) -> None:
        self._courier = courier
        self._series = series
        self._sequence = series.sequence

    def report(self, data: Mapping[str, Any]) -> Answer:
        """Report, which also renews the lease. Tried once, as another follows: Unreachable."""
        self._sequence += 1
        series = self._series
        body = _body(series.task_id, series.claim, self._sequence, data)
        return self._courier.post(
            series.url,
            body,
            message_id=_new_callback_id(),
            retries=False,
            read_seconds=PROGRESS_READ_SECONDS,
            traceparent=series.traceparent,
        )


class Callbacks:
    """The first and the last callback of a run; the numbers between are for its progress."""

    def __init__(self, courier: Courier, task: Task, claim: Claim) -> None:
        self._courier = courier
        self._task = task
        self._claim = claim
        self._first = claim.first_sequence + 1

    def started(self, worker_id: str, stop: threading.Event) -> Answer:
        """Say that this worker begins; only `applied` or `duplicate` means that it may.

        Raises Unreachable, soon after `stop` is set.
        """
        body = _body(self._task.task_id, self._claim.claim, self._first, {"worker": worker_id})
        return self._courier.post(
            self._task.callbacks["started"],
            body,
            message_id=_new_callback_id(),
            stop=stop,
            traceparent=self._task.traceparent,
        )

    def progress(self) -> Series:
        """Return the series in which progress is reported."""
        return Series(
            task_id=self._task.task_id,
            claim=self._claim.claim,
            sequence=self._first,
            url=self._task.callbacks["progress"],
            traceparent=self._task.traceparent,
        )

    def final(
        self, action: str, data: Mapping[str, Any], upload: PendingUpload | None
    ) -> FinalCallback:
        """Return the last callback, `complete` or `failed`, to be kept and then sent.

        Its number is the last of the run: progress that is reported meanwhile does not outdate it.
        """
        last = self._claim.first_sequence + RUN_STRIDE - 1
        return FinalCallback(
            task_id=self._task.task_id,
            action=action,
            url=self._task.callbacks[action],
            callback_id=_new_callback_id(),
            body=_body(self._task.task_id, self._claim.claim, last, data).decode(),
            upload=upload,
            traceparent=self._task.traceparent,
        )


def _body(task_id: str, claim: str, sequence: int, data: Mapping[str, Any]) -> bytes:
    return json.dumps(
        {
            "task_id": task_id,
            "claim": claim,
            "sequence": sequence,
            "occurred_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "data": dict(data),
        },
        allow_nan=False,
    ).encode()


def _new_callback_id() -> str:
    return f"callback_{uuid4()}"
