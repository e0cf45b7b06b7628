"""The process beside a worker that sends its progress and heartbeats; heart.py starts it.

The author's function may hold the interpreter's lock for minutes: this process does not notice.
It takes lines of JSON from its input, writes what the server said to its output, and ends when
its input does or its parent is gone.
"""

import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from consumers.worker.callbacks import Progress, Series
from consumers.worker.courier import Courier
from consumers.worker.credentials import Credentials
from consumers.worker.retry import Unreachable

LOOK_SECONDS = 0.5
"""How often it looks whether its parent is alive: a fork of it may hold the input open."""
_CHUNK_BYTES = 65_536


class Beats:
    """What is reported of the present task, and when next."""

    def __init__(self) -> None:
        self._courier: Courier | None = None
        self._progress: Progress | None = None
        self._task_id = ""
        self._pace = {"progress": 0.0, "heartbeat": 0.0}
        self._numbers: Mapping[str, Any] = {}
        self._sent: Mapping[str, Any] = {}
        self._sent_at = 0.0

    def obey(self, told: Mapping[str, Any]) -> None:
        """Take our credentials; begin with a task, take its new numbers, or end with it."""
        if "credentials" in told:
            self._courier = Courier(Credentials(**told["credentials"]))
        if "begin" in told and self._courier:
            self._progress = Progress(self._courier, Series(**told["begin"]))
            self._task_id, self._pace = told["begin"]["task_id"], told["pace"]
            self._sent_at = told["at"]
            self._numbers = self._sent = {"percent": 0}
        self._numbers = told.get("numbers", self._numbers)
        if "end" in told:
            self._progress = None

    def wait_seconds(self) -> float:
        """Return how long nothing has to be sent."""
        if self._progress is None:
            return LOOK_SECONDS
        due = self._pace["heartbeat" if self._numbers == self._sent else "progress"]
        return max(0.0, self._sent_at + due - time.monotonic())

    def send_if_due(self) -> None:
        """Report if it is time and pass on the answer; on a job that is over, nothing more."""
        if self._progress is None or self.wait_seconds() > 0:
            return
        self._sent, self._sent_at = self._numbers, time.monotonic()
        told: dict[str, Any] = {"task_id": self._task_id}
        checkpoint = self._numbers.get("checkpoint")
        if checkpoint:
            told["epoch"] = checkpoint["epoch"]
        try:
            answer = self._progress.report(self._numbers)
        except Unreachable as error:
            told["cause"] = str(error)
            self._sent = {} if checkpoint else self._sent  # so that it is told of again soon
        else:
            told |= {"status": answer.status, "body": dict(answer.body)}
            numbers = {name: self._numbers[name] for name in self._numbers if name != "checkpoint"}
            self._numbers = self._sent = numbers  # a checkpoint that was answered is told of once
            if answer.is_over:
                self._progress = None
        os.write(sys.stdout.fileno(), json.dumps(told).encode() + b"\n")


def lines_of(read: bytes, rest: bytearray) -> Iterator[Mapping[str, Any]]:
    """Yield the objects of all whole lines; what is left of a line stays in `rest`."""
    rest += read
    while b"\n" in rest:
        line, _, left = bytes(rest).partition(b"\n")
        rest[:] = left
        yield json.loads(line)


def heard(wait_seconds: Callable[[], float], parent: int) -> Iterator[Mapping[str, Any]]:
    """Yield what the parent tells, and an empty word when it is time; end when it is gone."""
    rest = bytearray()
    while os.getppid() == parent:
        if select.select([sys.stdin], [], [], min(wait_seconds(), LOOK_SECONDS))[0]:
            read = os.read(sys.stdin.fileno(), _CHUNK_BYTES)
            if not read:
                return
            yield from lines_of(read, rest)
        yield {}


def main() -> int:
    """Beat until the parent, whose id is the argument, has no more use for it."""
    for each in (signal.SIGTERM, signal.SIGINT):  # a terminal sends them to both: the parent ends
        signal.signal(each, signal.SIG_IGN)
    beats = Beats()
    for told in heard(beats.wait_seconds, parent=int(sys.argv[1])):
        beats.obey(told)
        beats.send_if_due()
    return 0


if __name__ == "__main__":
    sys.exit(main())
