"""The worker's main line: one task after the other, each begun, worked on and answered."""

import logging
import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from consumers.worker.attempt import CANCELED, CLOSED, WORKER_STOPPED, Attempt, Outcome
from consumers.worker.callbacks import Callbacks
from consumers.worker.courier import Courier
from consumers.worker.delivery import Delivery
from consumers.worker.desk import Desk
from consumers.worker.heart import Heart, Said
from consumers.worker.job import Work
from consumers.worker.objects import Objects
from consumers.worker.outbox import PendingUpload
from consumers.worker.retry import Retry, Unreachable
from consumers.worker.task import Task, TaskInvalid, read_task

logger = logging.getLogger(__name__)
MAY_RUN = frozenset({"applied", "duplicate"})
UPLOAD_SECONDS = 2 * 3600.0
"""How long after the deadline an upload is tried: its URL dies a while before (section 9)."""


class Message(Protocol):
    """A task as it was delivered, to be settled once: one of the three."""

    @property
    def body(self) -> bytes:
        """The task's JSON."""

    def acknowledge(self) -> None:
        """Take it off the queue: the server knows that the task is begun, or is over."""

    def give_back(self, reason: str) -> None:
        """Let it be delivered again."""

    def refuse(self, reason: str) -> None:
        """Put it aside: it is no task for this worker."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How often and how long, in seconds.

    Progress that changed is sent every `progress`, unchanged as a heartbeat every `heartbeat` or
    third of the task's lease. When told to end, a task has `grace` to finish; a function that was
    stopped has `abandon` to notice.
    """

    progress: float = 2.0
    heartbeat: float = 15.0
    grace: float = 25.0
    abandon: float = 10.0
    tick: float = 0.1


class Worker:
    """Handles tasks one at a time; `stop` may be set by a signal handler. To be closed."""

    def __init__(
        self,
        work: Mapping[str, Work],
        *,
        worker_id: str,
        courier: Courier,
        desk: Desk,
        stop: threading.Event,
        pace: Pace | None = None,
        retry: Retry | None = None,
    ) -> None:
        self._work = dict(work)
        self._worker_id = worker_id
        self._courier = courier
        self._desk = desk
        self._stop = stop
        self._pace = pace or Pace()
        self._retry = retry
        self._objects = Objects(retry)
        self._delivery = Delivery(desk.outbox, courier, self._objects)
        self._heart = Heart(courier.credentials)

    def close(self) -> None:
        """End the process that beats, and the connections to the store."""
        self._heart.close()
        self._objects.close()

    @property
    def job_types(self) -> list[str]:
        """The types of task that this worker has a function for."""
        return sorted(self._work)

    def settle(self) -> bool:
        """Try once to deliver what waits in the outbox; return whether there was anything.

        Raises Unreachable, and WorkerRefused if the credentials are refused.
        """
        if any(said.answer and said.answer.is_over for said in self._heart.heard()):
            self._heart.end()
        if not self._delivery.attempt():
            return False
        self._heart.end()
        self._desk.finish()
        return True

    def handle(self, message: Message, *, keeps_claim: bool) -> bool:
        """Do one task to its end and return whether it was worked on.

        It is acknowledged once the server knows that it is begun. With `keeps_claim` it was asked
        for under the open claim. Raises as `settle`; what is to be delivered is then on disk.
        Nothing is begun after a stop or while the outbox is in use: the message goes back.
        """
        if self._stop.is_set() or self._delivery.is_due():
            message.give_back("this worker takes no task now")
            return False
        task = self._read(message)
        if task is None:
            return False
        claim = self._desk.bind(task.task_id, keeps_claim=keeps_claim)
        callbacks = Callbacks(self._courier, task, claim)
        try:
            answer = callbacks.started(self._worker_id, self._stop)
        except Unreachable as error:
            _log(logging.ERROR, "task_not_started", task, cause=str(error))
            message.give_back("started could not be reported")
            return False
        message.acknowledge()
        if answer.disposition not in MAY_RUN:
            refused = {"status": answer.status, "disposition": answer.disposition}
            _log(logging.WARNING, "task_not_ours", task, **refused, code=answer.code)
            self._desk.finish()
            return False
        _log(logging.INFO, "task_started", task, run=claim.run)
        self._begin_beats(task, callbacks)
        outcome = self._run(task, is_canceled=answer.wants_cancel)
        if outcome is None:
            self._heart.end()
            _log(logging.WARNING, "task_closed", task)
            self._desk.finish()
            return True
        self._keep(task, callbacks, outcome)
        self.settle()
        return True

    def _begin_beats(self, task: Task, callbacks: Callbacks) -> None:
        """Let heartbeats begin before the function does; they last until all is delivered."""
        heartbeat = task.lease_seconds / 3 if task.lease_seconds else self._pace.heartbeat
        progress = min(self._pace.progress, heartbeat)
        self._heart.begin(callbacks.progress(), progress=progress, heartbeat=heartbeat)

    def _keep(self, task: Task, callbacks: Callbacks, outcome: Outcome) -> None:
        """Put the last report and the result on disk, before anything of it is sent."""
        result, upload = outcome.result, None
        if result:
            upload = PendingUpload(
                url=task.upload.url,
                fields=task.upload.fields,
                content_type=result.content_type,
                until=task.deadline.timestamp() + UPLOAD_SECONDS,
            )
        final = callbacks.final(outcome.action, outcome.data, upload)
        self._desk.outbox.put(final, result.content if result else b"")

    def _read(self, message: Message) -> Task | None:
        """Return the task if it can be done and answered, else refuse the message."""
        try:
            task = read_task(message.body)
        except TaskInvalid as error:
            cause = str(error)
        else:
            if task.type not in self._work:
                cause = "no function for this type"
            elif not all(map(self._courier.may_send_to, task.callbacks.values())):
                cause = "the token may not be sent to the callback URLs"
            else:
                return task
        logger.error("task_refused", extra={"facts": {"cause": cause}})
        message.refuse(cause)
        return None

    def _run(self, task: Task, *, is_canceled: bool) -> Outcome | None:
        """Run the function beside heartbeats; return what to report, None for a closed job."""
        began = time.monotonic()
        objects = Objects(self._retry)
        work = self._work[task.type]
        attempt = Attempt(task, work, folder=self._desk.folder, objects=objects)
        if is_canceled:
            attempt.stop(CANCELED)
        attempt.start()
        self._watch(attempt)
        outcome = attempt.outcome()
        facts: dict[str, Any] = {"seconds": round(time.monotonic() - began, 3)}
        if outcome is not None and outcome.error is not None:
            facts |= {"error": type(outcome.error).__name__, "at": _place(outcome.error)}
        if outcome is not None:
            facts |= {key: outcome.data[key] for key in ("code", "bytes") if key in outcome.data}
            facts["action"] = outcome.action
        _log(logging.INFO, "task_ended", task, **facts)
        return outcome

    def _watch(self, attempt: Attempt) -> None:
        """Wait for the attempt's end, or until it was stopped and did not end in time."""
        pace = self._pace
        ends_at = stopped_at = None
        while not attempt.done.wait(pace.tick):
            now = time.monotonic()
            if self._stop.is_set():
                ends_at = ends_at or now + pace.grace
                if now >= ends_at:
                    attempt.stop(WORKER_STOPPED)
            if attempt.stop_code:
                stopped_at = stopped_at or now
                if now >= stopped_at + pace.abandon:
                    return
            self._heart.tell(attempt.progress)
            for said in self._heart.heard():
                _heed(attempt, said)


def _heed(attempt: Attempt, said: Said) -> None:
    """Stop the attempt if the server's answer says so."""
    answer = said.answer
    if answer is not None and said.epoch is not None:
        attempt.checkpoint_answered(said.epoch, str(answer.body.get("checkpoint")))
    if answer is None:
        logger.warning("progress_unanswered", extra={"facts": {"cause": said.cause}})
    elif answer.wants_cancel:
        attempt.stop(CANCELED)
    elif answer.is_over:
        attempt.stop(CLOSED)
    elif not answer.is_accepted:
        facts = {"status": answer.status, "code": answer.code}
        logger.warning("progress_refused", extra={"facts": facts})


def _log(level: int, event: str, task: Task, **facts: Any) -> None:
    known = {"task_id": task.task_id, "type": task.type, "traceparent": task.traceparent}
    logger.log(level, event, extra={"facts": known | facts})


def _place(error: BaseException) -> str:
    """Return file and line of an error, without its message, which may quote the prompt."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
