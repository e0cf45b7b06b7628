"""One traceparent from a client's request to the picture, through queue, worker and callbacks."""

import logging
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from consumers.worker.courier import Courier
from consumers.worker.credentials import Credentials
from consumers.worker.desk import Desk
from consumers.worker.job import Job, Result
from consumers.worker.sources import HttpSource
from consumers.worker.worker import Worker
from core import queue
from core.models import Role
from core.workers import create_worker
from ledger.book import read
from ledger.codec import decode
from tests.acceptance.test_main_job import account, publish, web_url
from tests.acceptance.test_write_a_worker import trained
from tests.integration.consumers.conftest import wait_until
from tests.integration.consumers.worker_kit import FAST, PACE
from tests.jobs import picture

__all__ = ["publish", "web_url"]
TRACE = f"00-{'a' * 32}-{'b' * 16}-01"


def traces(generation: str) -> list[tuple[str, str | None]]:
    """Return type and trace of each event of a picture's job."""
    rows = [decode(row) for row in read.stream(f"generation-{generation}")]
    return [(type(one.event).__name__, one.metadata.get("traceparent")) for one in rows]


def work_once(url: str, folder: Path, paint: Callable[[Job], Result]) -> None:
    """Let a worker of the kit take one task and end it."""
    registered, secret = create_worker("painter")
    credentials = Credentials(worker_id=str(registered.id), secret=secret)
    stop = threading.Event()
    with closing(Desk(folder)) as desk, closing(Courier(credentials, FAST)) as courier:
        worker = Worker(
            {"image_generation": paint}, worker_id=str(registered.id), courier=courier, desk=desk,
            stop=stop, pace=PACE, retry=FAST,
        )  # fmt: skip
        source = HttpSource(url, courier=courier, desk=desk, wait_seconds=5, retry=FAST)
        with closing(worker):
            assert source.run(worker, stop, once=True)


@pytest.mark.parametrize("given", [TRACE, "no-trace"])
def test_a_trace_goes_from_the_order_to_every_event_and_log_line_of_the_picture(
    given: str,
    web_url: str,
    publish: Callable[[], None],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    artist, user = account("ada", Role.ARTIST), account("ann", Role.USER)
    style = str(trained(artist.user.id))
    caplog.clear()
    ordered = user(
        "POST", "/api/generations/", {"style_id": style, "prompt": "a fox"},
        headers={"Idempotency-Key": "once", "traceparent": given},
    )  # fmt: skip
    job = ordered.json()["id"]
    (trace,) = {one for _, one in traces(job)}
    assert trace == TRACE or (
        given != TRACE and trace == begun_with(ordered["X-Request-ID"], trace)
    )

    publish()
    (waiting,) = queue.browse("image_generation", limit=10)
    assert waiting.headers == {"traceparent": trace}

    def paint(task: Job) -> Result:
        task.report(50)
        assert wait_until(lambda: "GenerationProgressed" in dict(traces(job)), 60)
        return Result(content=picture(), content_type="image/png")

    work_once(web_url, tmp_path, paint)

    assert traces(job) == [
        (kind, trace)
        for kind in (
            "GenerationRequested", "TokensHeld", "GenerationStarted", "GenerationProgressed",
            "GenerationCompleted", "HoldCaptured",
        )
    ]  # fmt: skip
    requests = logged(caplog, "request")
    assert len([one for one in requests if one["route"].startswith("api/webhooks/")]) >= 3
    told = [one for one in requests if one["route"].startswith(("api/webhooks/", "api/generat"))]
    for event in ("task_started", "task_ended", "task_answered"):
        told += (lines := logged(caplog, event))
        assert lines
    assert {one.get("traceparent") for one in told} == {trace}


def begun_with(request_id: str, trace: str | None) -> str:
    """Return a trace that the server began itself: its id is the request's."""
    assert trace is not None
    return f"00-{UUID(request_id).hex}-{trace.split('-')[2]}-00"


def logged(caplog: pytest.LogCaptureFixture, event: str) -> list[dict[str, Any]]:
    """Return the log lines of an event, of the server here or of the worker."""
    found: list[dict[str, Any]] = [
        record.msg for record in caplog.records if isinstance(record.msg, dict)
    ]
    found += [
        {"event": record.getMessage(), **getattr(record, "facts", {})} for record in caplog.records
    ]
    return [one for one in found if one["event"] == event]
