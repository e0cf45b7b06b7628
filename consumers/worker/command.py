"""The command line of a worker: `run` is all that a model author calls."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from queue import SimpleQueue
from types import FrameType

from consumers.worker.check import check
from consumers.worker.courier import Courier
from consumers.worker.delivery import WorkerRefused
from consumers.worker.desk import Desk, DeskTaken
from consumers.worker.job import Work
from consumers.worker.log import configure_logs
from consumers.worker.retry import Unreachable
from consumers.worker.settings import Settings, SettingsInvalid, read_settings
from consumers.worker.sources import HttpSource, QueueSource, QueuesUnavailable, Source
from consumers.worker.worker import Pace, Worker

logger = logging.getLogger(__name__)
DONE = 0
WRONG_SETTINGS = 2
REFUSED = 3
UNREACHABLE = 4
NO_TASK = 5
SETTLE_SECONDS = 60.0


def run(work: Mapping[str, Work], arguments: list[str] | None = None) -> int:
    """Work on tasks, one function per job type, until SIGTERM or SIGINT; return the exit code.

    0 ended or done, 2 wrong settings or no broker, 3 refused by the server, 4 server away for too
    long, 5 no task came (with --once). Arguments default to the command line's; `check` as the
    first runs check.py instead.
    """
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] == ["check"]:
        return check(given[1:])
    try:
        settings = read_settings(given, os.environ)
        configure_logs(settings.log_level)
        with closing(_desk(settings.state_dir)) as desk:
            return _serve(work, settings, desk)
    except (SettingsInvalid, QueuesUnavailable) as error:
        return _fail(WRONG_SETTINGS, str(error))
    except WorkerRefused as error:
        return _fail(REFUSED, str(error))
    except Unreachable as error:
        return _fail(UNREACHABLE, f"the server cannot be reached: {error}")


def _desk(folder: Path) -> Desk:
    try:
        return Desk(folder)
    except DeskTaken as error:
        other = "another worker with this id runs here; give one of them another --state-dir"
        raise SettingsInvalid(other) from error
    except OSError as error:
        raise SettingsInvalid(f"the state folder cannot be used: {error}") from error


def _serve(work: Mapping[str, Work], settings: Settings, desk: Desk) -> int:
    stop = threading.Event()
    _end_on_signals(stop)
    with (
        closing(Courier(settings.credentials)) as courier,
        closing(_worker(work, settings, courier, desk, stop)) as worker,
    ):
        facts = {"worker_id": settings.worker_id, "job_types": worker.job_types}
        logger.info("worker_ready", extra={"facts": facts})
        has_worked = _source(settings, courier, desk).run(worker, stop, once=settings.is_once)
    logger.info("worker_ended", extra={"facts": {"worker_id": settings.worker_id}})
    return NO_TASK if settings.is_once and not has_worked and not stop.is_set() else DONE


def _worker(
    work: Mapping[str, Work],
    settings: Settings,
    courier: Courier,
    desk: Desk,
    stop: threading.Event,
) -> Worker:
    return Worker(
        work,
        worker_id=settings.worker_id,
        courier=courier,
        desk=desk,
        stop=stop,
        pace=Pace(grace=settings.grace_seconds),
    )


def _source(settings: Settings, courier: Courier, desk: Desk) -> Source:
    if not settings.amqp_url:
        return HttpSource(
            settings.url,
            courier=courier,
            desk=desk,
            family=settings.family,
            wait_seconds=settings.wait_seconds,
            give_up_seconds=settings.give_up_seconds,
        )
    try:
        from consumers.worker.queues import RabbitQueues
    except ImportError as error:
        raise SettingsInvalid(f"--amqp needs the package pika: {error}") from error
    close_seconds = settings.grace_seconds + SETTLE_SECONDS
    queues = RabbitQueues(
        settings.amqp_url,
        prefix=settings.queue_prefix,
        family=settings.family,
        close_seconds=close_seconds,
    )
    return QueueSource(queues, give_up_seconds=settings.give_up_seconds)


def _end_on_signals(stop: threading.Event) -> None:
    """Let the first SIGTERM or SIGINT end the worker in order, a second one at once.

    A thread does it: a handler runs wherever it interrupts the main thread, where a line of the
    log may be half written or the event's own lock be held.
    """
    caught: SimpleQueue[int] = SimpleQueue()  # whose `put` may be called from a handler

    def end() -> None:
        facts = {"signal": signal.Signals(caught.get()).name}
        stop.set()
        logger.info("worker_ending", extra={"facts": facts})

    def on_signal(number: int, _frame: FrameType | None) -> None:
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_DFL)
        caught.put(number)

    threading.Thread(target=end, name="signals", daemon=True).start()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, on_signal)


def _fail(code: int, message: str) -> int:
    sys.stderr.write(f"worker: {message}\n")
    return code
