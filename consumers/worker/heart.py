"""Keeps the process of beats.py: starts it, tells it, hears it, and replaces it if it dies."""

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

from consumers.worker.beats import lines_of
from consumers.worker.callbacks import Series
from consumers.worker.courier import Answer
from consumers.worker.credentials import Credentials

logger = logging.getLogger(__name__)
END_SECONDS = 1.0
MAX_STARTS = 20
"""How many processes a task may use up: then something kills them, and the lease may lapse."""
START_STRIDE = 45_000
"""How far apart the sequence numbers of two processes begin: more than a day of reports."""
_CHUNK_BYTES = 65_536


@dataclass(frozen=True, kw_only=True)
class Said:
    """What the server answered to a report, or why it did not.

    `epoch` is that of the checkpoint that the report told of.
    """

    task_id: str
    answer: Answer | None = None
    cause: str = ""
    epoch: int | None = None


class Heart:
    """For one thread. Nothing here waits for the server, and only `close` for the process."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._process: subprocess.Popen[bytes] | None = None
        self._task: tuple[Series, Mapping[str, Any]] | None = None
        self._numbers: Mapping[str, Any] = {"percent": 0}
        self._starts = 0
        self._rest = bytearray()

    def begin(self, series: Series, *, progress: float, heartbeat: float) -> None:
        """Report on this task from now on: what is new and what is not, so often, in seconds."""
        pace = {"progress": progress, "heartbeat": heartbeat}
        self._task = series, {"pace": pace, "at": time.monotonic()}  # one clock for all processes
        self._numbers, self._starts = {"percent": 0}, 0
        if self._process is None:
            self._start()
        else:
            self._tell_all()

    def tell(self, numbers: Mapping[str, Any]) -> None:
        """Let these numbers be reported next."""
        if numbers != self._numbers:
            self._numbers = numbers
            self._tell({"numbers": dict(numbers)})

    def end(self) -> None:
        """Report no more on this task."""
        if self._task:
            self._task = None
            self._tell({"end": True})

    def heard(self) -> list[Said]:
        """Return what was said about the present task since the last time."""
        if self._process is None or self._process.stdout is None:
            return []
        try:
            read = os.read(self._process.stdout.fileno(), _CHUNK_BYTES)
        except BlockingIOError:
            return []
        if not read:
            self._replace()
            return []
        said = map(_said, lines_of(read, self._rest))
        return [one for one in said if self._task and one.task_id == self._task[0].task_id]

    def close(self) -> None:
        """End the process; a report in the air is not waited for."""
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _start(self) -> None:
        self._starts += 1
        self._rest.clear()
        try:
            process = subprocess.Popen(  # noqa: S603  # this program itself
                [sys.executable, "-m", "consumers.worker.beats", str(os.getpid())],
                env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
            )
        except OSError as error:  # the work goes on; it may be done within the lease
            logger.error("heart_not_started", extra={"facts": {"cause": str(error)}})
            return
        self._process = process
        for pipe in (process.stdin, process.stdout):
            if pipe:
                os.set_blocking(pipe.fileno(), False)
        self._tell({"credentials": asdict(self._credentials)})  # arguments would show in `ps`
        self._tell_all()

    def _replace(self) -> None:
        """Start another process in the place of one that died, until there were too many."""
        self.close()
        logger.error("heart_lost", extra={"facts": {"starts": self._starts}})
        if self._task and self._starts < MAX_STARTS:
            self._start()

    def _tell_all(self) -> None:
        if self._task:
            series, begun = self._task
            sequence = series.sequence + self._starts * START_STRIDE
            told = {"begin": asdict(replace(series, sequence=sequence)), **begun}
            self._tell(told | {"numbers": dict(self._numbers)})

    def _tell(self, told: Mapping[str, Any]) -> None:
        """Write a line, whole or not at all; a process that takes none is found dead by `heard`."""
        if self._process and self._process.stdin:
            with suppress(BlockingIOError, BrokenPipeError):
                os.write(self._process.stdin.fileno(), json.dumps(told).encode() + b"\n")


def _said(line: Mapping[str, Any]) -> Said:
    known = Said(task_id=line["task_id"], epoch=line.get("epoch"))
    if "cause" in line:
        return replace(known, cause=line["cause"])
    return replace(known, answer=Answer(status=line["status"], body=line["body"]))
