"""One run of the author's function in a thread of its own, from the inputs to the result."""

import hashlib
import logging
import math
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from consumers.worker.checkpoints import Checkpoints
from consumers.worker.desk import INPUTS
from consumers.worker.job import CODE, Input, Job, JobFailed, JobStopped, Result, Work
from consumers.worker.objects import MAX_RESULT_BYTES, Objects
from consumers.worker.task import IMAGE_GENERATION, Task, checkpoint_of, downloads_of

logger = logging.getLogger(__name__)
CANCELED = "canceled"
WORKER_STOPPED = "worker_stopped"
CLOSED = "closed"
WORKER_ERROR = "worker_error"
MAX_MESSAGE = 500
MAX_METRICS = 50
PICTURE_TYPES = ("image/png", "image/jpeg")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How the attempt ended: `complete` or `failed`, the data of that callback, the result."""

    action: str
    data: Mapping[str, Any]
    result: Result | None = field(default=None, repr=False)
    error: BaseException | None = field(default=None, repr=False)


def failed(code: str, message: str, *, retryable: bool) -> Outcome:
    """Return the outcome of a failure."""
    data = {"code": code, "message": message[:MAX_MESSAGE], "retryable": retryable}
    return Outcome(action="failed", data=data)


_STOPS = {
    CANCELED: failed(CANCELED, "The job was canceled", retryable=False),
    WORKER_STOPPED: failed(WORKER_STOPPED, "The worker was stopped", retryable=True),
}


class Attempt:
    """Runs `work` for a task; the owner asks for progress, may stop it, and waits for `done`."""

    def __init__(self, task: Task, work: Work, *, folder: Path, objects: Objects) -> None:
        self._task = task
        self._work = work
        self._folder = folder
        self._objects = objects
        self._checkpoints = Checkpoints(task.checkpoint_upload)
        self._progress: dict[str, int] = {"percent": 0}
        self._stop_code = ""
        self._outcome: Outcome | None = None
        self.done = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"task-{task.task_id}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, code: str) -> None:
        """Make the next report of the function raise JobStopped; the first code counts."""
        self._stop_code = self._stop_code or code

    @property
    def stop_code(self) -> str:
        """Why the attempt was told to stop, empty if it was not."""
        return self._stop_code

    @property
    def progress(self) -> Mapping[str, Any]:
        """The numbers of the latest report, and a checkpoint that is to be told of."""
        stated = self._checkpoints.stated
        return self._progress | {"checkpoint": dict(stated)} if stated else self._progress

    def checkpoint_answered(self, epoch: int, said: str) -> None:
        """Take what the server said of a checkpoint that `progress` told of."""
        self._checkpoints.answered(epoch, said)

    def outcome(self) -> Outcome | None:
        """Return what to report now: of a finished attempt, or of one that did not stop in time.

        None if the job is closed and nobody wants to hear of it.
        """
        if self._stop_code == CLOSED:
            return None
        if self._outcome is not None:
            return self._outcome
        return _STOPS.get(self._stop_code, _STOPS[WORKER_STOPPED])

    def _run(self) -> None:
        try:
            with (
                closing(self._objects),
                tempfile.TemporaryDirectory(
                    prefix=INPUTS, dir=self._folder, ignore_cleanup_errors=True
                ) as files,
            ):
                self._outcome = self._complete(Path(files))
        except JobFailed as error:
            self._outcome = failed(error.code, error.message, retryable=error.retryable)
        except JobStopped:
            self._outcome = _STOPS.get(self._stop_code, _STOPS[WORKER_STOPPED])
        except (Exception, SystemExit) as error:  # whatever the author's function does
            message = f"The worker met an unexpected error ({type(error).__name__})"
            data = failed(WORKER_ERROR, message, retryable=True).data
            self._outcome = Outcome(action="failed", data=data, error=error)
        finally:
            self.done.set()

    def _complete(self, folder: Path) -> Outcome:
        inputs = tuple(self._inputs(folder))
        checkpoint, epoch = self._checkpoint(folder / "checkpoint")
        job = Job(
            task_id=self._task.task_id,
            type=self._task.type,
            data=self._task.data,
            inputs=inputs,
            checkpoint=checkpoint,
            checkpoint_epoch=epoch,
            on_report=self._report,
            on_checkpoint=self._save,
        )
        result = self._work(job)
        _check(result, self._task.type)
        self._end_if_stopped()
        return Outcome(
            action="complete",
            data={
                "sha256": hashlib.sha256(result.content).hexdigest(),
                "bytes": len(result.content),
                "content_type": result.content_type,
                "metrics": dict(result.metrics),
            },
            result=result,
        )

    def _inputs(self, folder: Path) -> list[Input]:
        inputs = []
        for number, download in enumerate(downloads_of(self._task)):
            self._end_if_stopped()
            path = folder / f"input-{number}"
            self._objects.fetch(download, path)
            inputs.append(Input(path=path, sha256=download.sha256, caption=download.caption))
        return inputs

    def _checkpoint(self, path: Path) -> tuple[Path | None, int]:
        """Fetch the checkpoint and return it with its epoch; one that is of no use is none."""
        try:
            stated = checkpoint_of(self._task)
            if stated is None:
                return None, 0
            download, epoch = stated
            self._objects.fetch(download, path)
        except (ValueError, JobFailed) as error:
            cause = error.code if isinstance(error, JobFailed) else "not stated as agreed"
            facts = {"task_id": self._task.task_id, "cause": cause}
            logger.warning("checkpoint_unusable", extra={"facts": facts})
            return None, 0
        return path, epoch

    def _save(self, epoch: int, make_bytes: Callable[[], bytes]) -> bool:
        self._end_if_stopped()
        return self._checkpoints.save(epoch, make_bytes)

    def _report(self, percent: int, current_epoch: int | None, total_epochs: int | None) -> None:
        self._end_if_stopped()
        numbers = {"percent": min(100, max(0, int(percent)))}
        if current_epoch is not None and total_epochs is not None:
            numbers |= {"current_epoch": int(current_epoch), "total_epochs": int(total_epochs)}
        self._progress = numbers

    def _end_if_stopped(self) -> None:
        if self._stop_code:
            raise JobStopped


def _check(result: Result, job_type: str) -> None:
    """Raise TypeError or ValueError unless the function returned what the server accepts."""
    if not isinstance(result.content, bytes) or not 0 < len(result.content) <= MAX_RESULT_BYTES:
        raise ValueError(f"a result has 1 to {MAX_RESULT_BYTES} bytes")
    if len(result.metrics) > MAX_METRICS:
        raise ValueError(f"a result has at most {MAX_METRICS} metrics")
    if job_type == IMAGE_GENERATION and result.content_type not in PICTURE_TYPES:
        raise ValueError(f"a picture is one of {', '.join(PICTURE_TYPES)}")
    for name, value in result.metrics.items():
        is_number = isinstance(value, int | float) and math.isfinite(value)
        if not CODE.fullmatch(name) or not is_number:
            raise TypeError("a metric is a name in lower case and a finite number")
