"""Where tasks come from: the server's long poll, or the queues of a broker."""

import json
import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol
from uuid import uuid4

from consumers.worker.courier import Answer, Courier
from consumers.worker.delivery import WorkerRefused
from consumers.worker.desk import Desk
from consumers.worker.retry import Retry, Unreachable
from consumers.worker.worker import Message, Worker

logger = logging.getLogger(__name__)
WAIT_SECONDS = 20
POLL_MARGIN_SECONDS = 15
GIVE_UP_SECONDS = math.inf
LEAST_ROUND_SECONDS = 1.0
"""A round of polling that brought no work takes at least this long."""


class QueuesUnavailable(Exception):
    """The broker cannot be reached, or does not serve the queues."""


class Source(Protocol):
    """Hands tasks to a worker until it is told to end."""

    def run(self, worker: Worker, stop: threading.Event, *, once: bool) -> bool:
        """Return whether a task was worked on. With `once`, end after one task or one wait.

        Raises Unreachable if the server stays away too long, WorkerRefused if it refuses us,
        QueuesUnavailable.
        """


class Patience:
    """Waits for a server that is away, with growing pauses and up to a limit."""

    def __init__(
        self,
        stop: threading.Event,
        *,
        give_up_seconds: float = GIVE_UP_SECONDS,
        retry: Retry | None = None,
    ) -> None:
        self._stop = stop
        self._give_up_seconds = give_up_seconds
        self._retry = retry or Retry()
        self._failures = 0
        self._reached_at = time.monotonic()

    def reached(self) -> None:
        """Begin anew: the server has answered."""
        self._failures, self._reached_at = 0, time.monotonic()

    def wait(self, error: Unreachable) -> None:
        """Pause before the next try; raises the error when the patience is used up."""
        self._failures += 1
        if time.monotonic() - self._reached_at > self._give_up_seconds:
            raise error
        logger.warning("server_unreachable", extra={"facts": {"cause": str(error)}})
        self._stop.wait(max(error.after_seconds, self._retry.pause_seconds(self._failures)))


class PolledTask:
    """A task from the long poll: `started` settles it, and what was not started comes again."""

    def __init__(self, task: object) -> None:
        self.body = json.dumps(task).encode()

    def acknowledge(self) -> None:
        """Do nothing: the server saw `started`."""

    def give_back(self, reason: str) -> None:
        """Do nothing: the server offers it again after a while."""

    def refuse(self, reason: str) -> None:
        """Do nothing: the server offers it again, to others as well."""


class HttpSource:
    """Asks `POST {url}/api/worker/tasks/` for one task after the other."""

    def __init__(
        self,
        url: str,
        *,
        courier: Courier,
        desk: Desk,
        family: str = "",
        wait_seconds: int = WAIT_SECONDS,
        give_up_seconds: float = GIVE_UP_SECONDS,
        retry: Retry | None = None,
    ) -> None:
        self._url = url.rstrip("/") + "/api/worker/tasks/"
        self._courier = courier
        self._desk = desk
        self._family = family
        self._wait_seconds = wait_seconds
        self._give_up_seconds = give_up_seconds
        self._retry = retry

    def run(self, worker: Worker, stop: threading.Event, *, once: bool) -> bool:
        """Poll and hand over; see Source.run."""
        patience = Patience(stop, give_up_seconds=self._give_up_seconds, retry=self._retry)
        while not stop.is_set():
            began = time.monotonic()
            try:
                if worker.settle():
                    patience.reached()
                    if once:
                        return True
                answer = self._poll(worker.job_types, stop)
                patience.reached()
                task = answer.body.get("task") if answer else None
                if task is not None and worker.handle(PolledTask(task), keeps_claim=True):
                    if once:
                        return True
                    continue
            except Unreachable as error:
                patience.wait(error)
                continue
            if once:
                return False
            stop.wait(max(0.0, LEAST_ROUND_SECONDS - (time.monotonic() - began)))
        return False

    def _poll(self, job_types: Sequence[str], stop: threading.Event) -> Answer | None:
        """Return the server's answer, or None if `stop` was set first; the poll is then let go.

        A task that was handed out in that moment is offered again under the same claim.
        """
        wanted = {
            "job_types": list(job_types),
            "wait_seconds": self._wait_seconds,
            "claim": str(self._desk.open_claim()),
        } | ({"family": self._family} if self._family else {})
        result: list[Answer | Exception] = []
        answered = threading.Event()

        def ask() -> None:
            try:
                result.append(self._ask(json.dumps(wanted).encode()))
            except Exception as error:  # handed to the waiting thread
                result.append(error)
            answered.set()

        threading.Thread(target=ask, name="poll", daemon=True).start()
        while not answered.wait(0.1):
            if stop.is_set():
                return None
        (answer,) = result
        if isinstance(answer, Exception):
            raise answer
        if not answer.is_accepted:
            raise WorkerRefused(f"the server refused to give tasks: {answer.status} {answer.code}")
        return answer

    def _ask(self, body: bytes) -> Answer:
        return self._courier.post(
            self._url,
            body,
            message_id=f"poll_{uuid4()}",
            retries=False,
            read_seconds=self._wait_seconds + POLL_MARGIN_SECONDS,
            told="task",
        )


class Queues(Protocol):
    """What the kit needs of a broker: one message at a time, until `stop`."""

    def consume(
        self, names: Sequence[str], handle: Callable[[Message], None], stop: threading.Event
    ) -> None:
        """Call `handle` for each message of these queues, in one thread, until `stop` is set.

        Raises QueuesUnavailable.
        """


class QueueSource:
    """Takes tasks from the queues that are named like the worker's job types."""

    def __init__(
        self,
        queues: Queues,
        *,
        give_up_seconds: float = GIVE_UP_SECONDS,
        retry: Retry | None = None,
    ) -> None:
        self._queues = queues
        self._give_up_seconds = give_up_seconds
        self._retry = retry

    def run(self, worker: Worker, stop: threading.Event, *, once: bool) -> bool:
        """Consume and hand over; see Source.run. With `once` it waits for the one task."""
        worked: list[bool] = []
        fatal: list[Exception] = []

        def handle(message: Message) -> None:
            try:
                with suppress(Unreachable):  # the final callback is on disk and sent below
                    worked.append(worker.handle(message, keeps_claim=False))
                worked.append(self._settle(worker, stop))
            except (Unreachable, WorkerRefused) as error:
                fatal.append(error)
            if once or fatal:
                stop.set()

        self._settle(worker, stop)
        self._queues.consume(worker.job_types, handle, stop)
        if fatal:
            raise fatal[0]
        return any(worked)

    def _settle(self, worker: Worker, stop: threading.Event) -> bool:
        """Try until the final callback is answered, and return whether there was one.

        No task is begun while one waits.
        """
        patience = Patience(stop, give_up_seconds=self._give_up_seconds, retry=self._retry)
        while not stop.is_set():
            try:
                return worker.settle()
            except Unreachable as error:
                patience.wait(error)
        return False
