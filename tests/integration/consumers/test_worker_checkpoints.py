"""Checkpoints of a training: saved beside the work, and a next attempt goes on from the last."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from consumers.worker.checkpoints import Checkpoints
from consumers.worker.job import Job, Result
from consumers.worker.reference.jobs import train
from consumers.worker.task import Upload
from tests.integration.consumers.conftest import wait_until
from tests.integration.consumers.worker_kit import PACE, PICTURE, ROOT, Kit
from tests.integration.consumers.worker_server import Reply, WorkerServer, applied, refused

RETINA = sorted((ROOT / "demo" / "images" / "retina").glob("*.jpg"))[:2]


def stated(server: WorkerServer) -> list[dict[str, Any]]:
    """Return the checkpoints that were reported, each once."""
    told = [seen.json["data"].get("checkpoint") for seen in server.callbacks("progress")]
    return [one for number, one in enumerate(told) if one and one not in told[:number]]


def done(_job: Job) -> Result:
    return Result(content=PICTURE, content_type="application/octet-stream")


def saving(*contents: bytes, server: WorkerServer) -> Callable[[Job], Result]:
    """Return a function that saves these, each once the one before was reported."""

    def work(job: Job) -> Result:
        for epoch, content in enumerate(contents, start=1):
            assert wait_until(partial(job.save_checkpoint, epoch, partial(bytes, content)))
        assert wait_until(lambda: len(stated(server)) == len(contents))
        return done(job)

    return work


def test_a_checkpoint_is_uploaded_and_then_told_of(kit: Kit) -> None:
    task = kit.server.training([])
    kit.run(saving(b"one", b"three", server=kit.server))
    digests = [hashlib.sha256(content).hexdigest() for content in (b"one", b"three")]
    assert stated(kit.server) == [
        {"epoch": 1, "sha256": digests[0], "bytes": 3},
        {"epoch": 2, "sha256": digests[1], "bytes": 5},
    ]
    fields, content, kind = kit.server.uploads[f"{task['task_id']}-checkpoint"]
    assert (fields, content) == (task["checkpoint_upload"]["fields"], b"three")
    assert kind == "application/octet-stream"
    assert kit.server.callbacks("complete")


def test_a_checkpoint_does_not_hold_up_the_training(kit: Kit) -> None:
    """While one is on its way, none is made; the store here takes ten seconds."""
    task = kit.server.training([])
    kit.server.script[f"{task['task_id']}-checkpoint"].append(Reply(delay=10))
    begun: list[bool] = []

    def work(job: Job) -> Result:
        began = time.monotonic()
        for epoch in range(1, 100):
            begun.append(job.save_checkpoint(epoch, lambda: b"half"))
        assert time.monotonic() - began < 1.0
        return done(job)

    kit.run(work)
    assert begun == [True] + [False] * 98
    assert kit.server.callbacks("complete")


@pytest.mark.parametrize("reply", [Reply(status=503), Reply(hangs_up=True), refused(403)])
def test_a_checkpoint_that_is_not_stored_stops_nothing(
    kit: Kit, reply: Reply, caplog: pytest.LogCaptureFixture
) -> None:
    """The next one is tried again."""
    task = kit.server.training([])
    kit.server.script[f"{task['task_id']}-checkpoint"].append(reply)

    def work(job: Job) -> Result:
        assert job.save_checkpoint(1, lambda: b"lost")
        assert wait_until(lambda: job.save_checkpoint(2, lambda: b"kept"))
        assert wait_until(lambda: bool(stated(kit.server)))
        return done(job)

    kit.run(work)
    assert [one["epoch"] for one in stated(kit.server)] == [2]
    assert "checkpoint_not_stored" in caplog.text
    assert kit.server.callbacks("complete")


@pytest.mark.parametrize("reply", [applied(checkpoint="rejected"), applied(), refused(422)])
def test_a_checkpoint_that_the_server_does_not_keep_makes_room_for_the_next(
    kit: Kit, reply: Reply
) -> None:
    kit.server.training([])
    kit.server.script["progress"].append(reply)
    kit.run(saving(b"one", b"two", server=kit.server))
    assert [one["epoch"] for one in stated(kit.server)] == [1, 2]


def test_an_unanswered_report_of_a_checkpoint_is_sent_again(kit: Kit) -> None:
    kit.server.training([])
    kit.server.script["progress"].append(Reply(status=503))
    kit.pace = replace(PACE, heartbeat=60)
    kit.run(saving(b"one", b"two", server=kit.server))
    told = [seen.json["data"].get("checkpoint") for seen in kit.server.callbacks("progress")]
    assert [one["epoch"] for one in told if one][:3] == [1, 1, 2]


@pytest.mark.parametrize("content", [b"", "text", b"xx"])
def test_a_checkpoint_that_the_server_would_refuse_is_not_sent(
    content: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consumers.worker.checkpoints.MAX_RESULT_BYTES", 1)
    checkpoints = Checkpoints(Upload(url="http://127.0.0.1:1/", fields={}))
    assert not checkpoints.save(1, lambda: content)


def test_a_long_training_saves_ever_more_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server keeps 100 of a training, which must do for a day."""
    now = [0.0]
    monkeypatch.setattr("consumers.worker.checkpoints.time.monotonic", lambda: now[0])
    monkeypatch.setattr(Checkpoints, "_send", lambda *_: None)
    checkpoints = Checkpoints(Upload(url="http://127.0.0.1:1/", fields={}))
    saved = []
    for second in range(1, 86_400):
        now[0] = float(second)
        if checkpoints.save(second, lambda: b"x"):
            saved.append(second)
            checkpoints._is_busy = False
    assert 50 < len(saved) < 100
    assert 86_400 - saved[-1] < 86_400 / 7


def test_where_no_checkpoint_is_taken_none_is_made(kit: Kit) -> None:
    del kit.server.training([])["checkpoint_upload"]

    def work(job: Job) -> Result:
        assert not job.save_checkpoint(1, lambda: pytest.fail("it was made"))
        return done(job)

    kit.run(work)
    assert kit.server.callbacks("complete")


def test_saving_a_checkpoint_ends_a_canceled_training(kit: Kit) -> None:
    kit.server.training([])
    kit.server.script["started"].append(applied(cancel=True))
    kit.run(saving(b"one", server=kit.server))
    assert kit.outcome()["code"] == "canceled"


def test_a_next_attempt_gets_the_checkpoint_and_its_epoch(kit: Kit) -> None:
    given = kit.server.serve_file("checkpoint", b"half") | {"bytes": 4, "epoch": 7}
    kit.server.training([], checkpoint=given)
    seen: list[tuple[bytes, int]] = []

    def work(job: Job) -> Result:
        assert job.checkpoint
        seen.append((job.checkpoint.read_bytes(), job.checkpoint_epoch))
        return done(job)

    kit.run(work)
    assert seen == [(b"half", 7)]


@pytest.mark.parametrize(
    "spoil",
    [
        {"sha256": "0" * 64},
        {"url": "http://127.0.0.1:1/gone"},
        {"bytes": 3},
        {"bytes": "4"},
        {"epoch": -1},
        {"epoch": None},
        {"url": "file:///etc/passwd"},
    ],
)
def test_a_checkpoint_that_is_of_no_use_means_to_start_anew(
    kit: Kit, spoil: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    given = kit.server.serve_file("checkpoint", b"half") | {"bytes": 4, "epoch": 7}
    kit.server.training([], checkpoint=given | spoil)
    seen: list[object] = []

    def work(job: Job) -> Result:
        seen.append((job.checkpoint, job.checkpoint_epoch))
        return done(job)

    kit.run(work)
    assert seen == [(None, 0)]
    assert "checkpoint_unusable" in caplog.text
    assert kit.server.callbacks("complete")


def test_the_reference_worker_goes_on_to_the_same_model_bit_by_bit(kit: Kit) -> None:
    """The first checkpoint of a whole training is what its second attempt begins with."""
    images = [kit.server.serve_file(path.name, path.read_bytes()) for path in RETINA]
    whole = kit.server.training(images)

    def until_kept(job: Job) -> Result:
        result = train(job)
        assert wait_until(lambda: bool(stated(kit.server)))
        return result

    kit.run(until_kept)
    model = kit.server.uploads[whole["task_id"]][1]
    half = kit.server.uploads[f"{whole['task_id']}-checkpoint"][1]
    (told,) = stated(kit.server)
    given = kit.server.serve_file("half", half) | {"bytes": told["bytes"], "epoch": told["epoch"]}
    again = kit.server.training(images, checkpoint=given)
    epochs: list[int] = []

    def going_on(job: Job) -> Result:
        assert job.checkpoint
        return train(replace(job, on_report=lambda _, epoch, __: epochs.append(epoch or 0)))

    kit.run(going_on)
    assert kit.server.uploads[again["task_id"]][1] == model
    assert min(epoch for epoch in epochs if epoch) == told["epoch"] + 1
