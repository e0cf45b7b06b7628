"""`python -m consumers.worker check`: cases of the protocol against a live server."""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

from consumers.worker.credentials import Credentials, CredentialsInvalid, origin
from consumers.worker.objects import Objects, StoreRefused
from consumers.worker.probe import Heard, Probe
from consumers.worker.retry import Unreachable
from consumers.worker.task import IMAGE_GENERATION, MODEL_TRAINING, Task, TaskInvalid, read_task

PASSED, FAILED, WRONG_SETTINGS = 0, 1, 2
OLD = timedelta(minutes=10)
TOO_LARGE_BYTES = 70_000
WAIT_SECONDS = 20
_NOUNS = {"generation": IMAGE_GENERATION, "training": MODEL_TRAINING}


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is sent, and the words of Heard that are right; a bare status takes any code."""

    name: str
    wanted: Sequence[str]
    heard: Heard

    @property
    def is_passed(self) -> bool:
        """Tell whether the server did as it should."""
        return bool({self.heard.word, self.heard.word.split(" ")[0]} & set(self.wanted))

    def line(self) -> str:
        """Return the verdict and why."""
        if self.is_passed:
            return f"pass  {self.name}: {self.heard.word}"
        return f"FAIL  {self.name}: {self.heard.word}, expected {' or '.join(self.wanted)}"


def check(arguments: Sequence[str]) -> int:
    """Run the cases and print a line for each; return 0, 1 if one failed, 2 for wrong settings."""
    given = _parser().parse_args(arguments)
    url = given.url.rstrip("/")
    try:
        if not given.secret:
            raise CredentialsInvalid("a secret is needed to sign")
        who = Credentials(worker_id=given.worker_id, secret=given.secret, trusted=origin(url))
    except (CredentialsInvalid, ValueError) as error:
        sys.stderr.write(f"worker: --url, --worker-id or --secret: {error}\n")
        return WRONG_SETTINGS
    passed = failed = 0
    with closing(Probe(who)) as probe:
        for case in _cases(probe, url, with_task=given.with_task):
            sys.stdout.write(case.line() + "\n")
            sys.stdout.flush()
            passed, failed = passed + case.is_passed, failed + (not case.is_passed)
    sys.stdout.write(f"{passed} passed, {failed} failed\n")
    return FAILED if failed else PASSED


def _parser() -> argparse.ArgumentParser:
    known = os.environ.get
    parser = argparse.ArgumentParser(
        prog="python -m consumers.worker check",
        description="Sends cases of the worker protocol to a live server and prints pass or FAIL "
        "for each. Changes nothing, but a task that waits may be handed out and is offered again "
        "after a while.",
    )
    parser.add_argument("--url", default=known("WORKER_URL", ""), help="the server (WORKER_URL)")
    parser.add_argument("--worker-id", default=known("WORKER_ID", ""), help="WORKER_ID")
    parser.add_argument("--secret", default=known("WORKER_SECRET", ""), help="WORKER_SECRET")
    parser.add_argument(
        "--with-task",
        action="store_true",
        help=f"take a task, waiting up to {WAIT_SECONDS} s for one, start it and fail it: this "
        "consumes an attempt of a user's job, which then goes on with its next",
    )
    return parser


def _cases(probe: Probe, url: str, *, with_task: bool) -> Iterator[Case]:
    noun, first = _knock(probe, url)
    yield _case("a signed callback is let in", first, "404 task_not_found")
    yield from _refusals(probe, f"{url}/api/webhooks/{noun}/started")
    polls, claim = f"{url}/api/worker/tasks/", str(uuid4())
    asked = {"job_types": list(_NOUNS.values()), "claim": claim}
    unknown = probe.send(polls, asked | {"job_types": ["no_such_type"]})
    yield _case("a poll for unknown types is refused", unknown, "422")
    endless = probe.send(polls, asked | {"wait_seconds": 3600})
    yield _case("a poll for an hour is refused", endless, "422")
    polled = probe.send(polls, asked | {"wait_seconds": WAIT_SECONDS if with_task else 0})
    yield _case("a poll is answered", _of_poll(polled), "200 task")
    if with_task:
        task, heard = _task(polled)
        yield _case("a task came, in its form", heard, "task")
        if task:
            yield from _with_task(probe, task, claim)


def _case(name: str, heard: Heard, *wanted: str) -> Case:
    return Case(name=name, wanted=wanted, heard=heard)


def _knock(probe: Probe, url: str) -> tuple[str, Heard]:
    """Return a job type that this worker may report on, and what was said."""
    for noun in _NOUNS:
        heard = probe.send(f"{url}/api/webhooks/{noun}/started", _report())
        if heard.word != "403 job_type_not_allowed":
            break
    return noun, heard


def _report(
    task_id: str = "", claim: str = "", sequence: int = 1, data: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "task_id": task_id or str(uuid4()),
        "claim": claim or str(uuid4()),
        "sequence": sequence,
        "occurred_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "data": data or {},
    }


def _refusals(probe: Probe, url: str) -> Iterator[Case]:
    """Yield what nobody may do, and what no worker should."""
    report, now = _report(), datetime.now(UTC)
    send = partial(probe.send, url)
    padded = report | {"data": {"worker": "x" * TOO_LARGE_BYTES}}
    yield _case("another secret's signature is refused", send(report, forged=True), "401")
    yield _case("a signature of another body is refused", send(report, signs={}), "401")
    yield _case("no signature is refused", probe.send_unsigned(url, report), "401")
    yield _case("a signature of ten minutes ago is refused", send(report, at=now - OLD), "401")
    yield _case("a signature of the future is refused", send(report, at=now + OLD), "401")
    yield _case("a body without its fields is malformed", send({"data": {}}), "422")
    yield _case("a body that is no JSON is refused", send(b"{"), "400")
    yield _case("a body of 70 kB is too large", send(padded), "413")


def _of_poll(polled: Heard) -> Heard:
    """Return that a task or none was stated, if that is so."""
    if polled.word != "200" or not isinstance(polled.body.get("task", ""), dict | None):
        return polled
    return Heard(word="200 task", body=polled.body)


def _task(polled: Heard) -> tuple[Task | None, Heard]:
    if not polled.body.get("task"):
        return None, Heard(word="none within the wait: request a job and check again")
    try:
        return read_task(json.dumps(polled.body["task"]).encode()), Heard(word="task")
    except TaskInvalid as error:
        return None, Heard(word=f"malformed: {error}")


def _with_task(probe: Probe, task: Task, claim: str) -> Iterator[Case]:
    """Start the task, report on it and fail it: its job goes on with another attempt."""

    def say(
        action: str, sequence: int, data: Mapping[str, Any], *, by: str = claim, **how: Any
    ) -> Heard:
        report = _report(task.task_id, by, sequence, data)
        return probe.send(task.callbacks[action], report | {"occurred_at": at}, **how)

    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    once, us = f"check_{uuid4()}", {"worker": "check"}
    yield _case("a start is applied", say("started", 1, us, message_id=once), "200 applied")
    again = say("started", 1, us, message_id=once)
    yield _case("the same again is a duplicate", again, "200 duplicate")
    other = say("started", 2, us, message_id=once)
    yield _case("its id with another body is a conflict", other, "409")
    yield _case("a second claim is stale", say("started", 1, us, by=str(uuid4())), "200 stale")
    yield _case("progress is applied", say("progress", 20, {"percent": 20}), "200 applied")
    patched = say("progress", 30, {"percent": 30}, method="PATCH")
    yield _case("progress by PATCH is applied", patched, "200 applied")
    yield _case("an older report is stale", say("progress", 3, {"percent": 10}), "200 stale")
    yield _case("progress beyond 100 is malformed", say("progress", 40, {"percent": 101}), "422")
    yield _case("the upload link takes a file", _uploaded(task), "stored")
    failure = {"code": "check", "message": "A check of the protocol", "retryable": True}
    yield _case("a failure is applied", say("failed", 50, failure), "200 applied")
    late = say("progress", 60, {"percent": 90})
    yield _case("progress after it is too late", late, "200 stale", "200 job_closed")
    done = {"sha256": "0" * 64, "bytes": 1, "content_type": "image/png"}
    yield _case("a completion after it too", say("complete", 70, done), "200 late_ignored")


def _uploaded(task: Task) -> Heard:
    content_type = "image/png" if task.type == IMAGE_GENERATION else "application/octet-stream"
    with closing(Objects()) as objects:
        try:
            objects.deliver(task.upload, b"a check of the protocol", content_type)
        except (StoreRefused, Unreachable) as error:
            return Heard(word=f"not stored: {error}")
    return Heard(word="stored")
