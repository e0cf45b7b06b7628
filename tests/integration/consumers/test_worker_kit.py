"""The worker kit against a server that speaks the protocol: claim, report, upload, end (G9)."""

import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from consumers.worker.credentials import Credentials, origin
from consumers.worker.delivery import WorkerRefused
from consumers.worker.job import Job, JobFailed, Result, Work
from consumers.worker.outbox import Outbox
from consumers.worker.retry import Unreachable
from tests.integration.consumers.conftest import wait_until
from tests.integration.consumers.worker_kit import PICTURE, Kit
from tests.integration.consumers.worker_server import (
    PROXY_REPLIES,
    TOKEN,
    WORKER_ID,
    Reply,
    WorkerServer,
    applied,
    refused,
)


def test_a_task_is_started_worked_on_uploaded_and_completed(kit: Kit) -> None:
    task = kit.server.generation()
    assert kit.run()
    started, complete = kit.server.callbacks("started")[0], kit.server.callbacks("complete")[0]
    assert started.path == "/api/webhooks/generation/started"
    assert started.json["task_id"] == complete.json["task_id"] == task["task_id"]
    assert started.json["data"] == {"worker": WORKER_ID}
    assert started.json["claim"] == complete.json["claim"]
    assert started.json["sequence"] < complete.json["sequence"]
    assert complete.json["data"] == {
        "sha256": hashlib.sha256(PICTURE).hexdigest(),
        "bytes": len(PICTURE),
        "content_type": "image/png",
        "metrics": {"seconds": 0.5},
    }
    fields, content, content_type = kit.server.uploads[task["task_id"]]
    assert (fields, content, content_type) == (task["upload"]["fields"], PICTURE, "image/png")
    assert list(kit.folder.iterdir()) == [kit.folder / "lock"]


def test_an_upload_without_fields_is_a_put(kit: Kit) -> None:
    task = kit.server.generation(form=False)
    kit.run()
    assert kit.server.uploads[task["task_id"]] == ({}, PICTURE, "image/png")


def test_the_claim_of_the_poll_is_the_claim_of_the_callbacks(kit: Kit) -> None:
    kit.server.generation()
    kit.run()
    poll = kit.server.seen[0]
    assert poll.json["job_types"] == ["image_generation", "model_training"]
    assert poll.json["wait_seconds"] == 1
    assert {c.json["claim"] for c in kit.server.callbacks()} == {poll.json["claim"]}


def test_each_delivery_has_a_claim_of_its_own(kit: Kit) -> None:
    for _ in range(2):
        kit.server.generation()
        kit.run()
    claims = [UUID(c.json["claim"]) for c in kit.server.callbacks("started")]
    assert len(set(claims)) == 2


def test_no_task_within_the_wait_is_told(kit: Kit) -> None:
    assert not kit.run()


def test_an_idle_worker_keeps_its_claim_and_does_not_hammer_the_server(kit: Kit) -> None:
    kit.server.script["tasks"].extend(Reply(body={"task": None}) for _ in range(50))
    threading.Timer(1.5, kit.stop.set).start()
    kit.run(once=False)
    polls = kit.server.seen
    assert 2 <= len(polls) <= 3
    assert len({poll.json["claim"] for poll in polls}) == 1


def test_training_images_come_in_order_with_their_captions(kit: Kit) -> None:
    images = [
        kit.server.serve_file(f"image-{i}", b"x" * (i + 1)) | {"caption": f"number {i}"}
        for i in range(3)
    ]
    kit.server.task(
        "model_training",
        {"training_id": "t", "style_id": "s", "images": images, "parameters": {"epochs": 2}},
    )

    def learn(job: Job) -> Result:
        assert [i.caption for i in job.inputs] == ["number 0", "number 1", "number 2"]
        assert [len(i.path.read_bytes()) for i in job.inputs] == [1, 2, 3]
        job.report(50, current_epoch=1, total_epochs=2)
        said = {"percent": 50, "current_epoch": 1, "total_epochs": 2}
        assert wait_until(
            lambda: said in [c.json["data"] for c in kit.server.callbacks("progress")]
        )
        return Result(content=b"model", content_type="application/octet-stream")

    kit.run(learn)
    assert kit.server.callbacks("complete")


def test_many_reports_become_few_callbacks(kit: Kit) -> None:
    kit.server.generation()

    def busy(job: Job) -> Result:
        kit.server.wait_for("/progress")
        until = time.monotonic() + 0.5
        count = 0
        while time.monotonic() < until:
            count += 1
            job.report(min(99, count // 10))
            time.sleep(0.001)
        return Result(content=PICTURE, content_type="image/png")

    kit.run(busy)
    reports = kit.server.callbacks("progress")
    assert 3 <= len(reports) <= 12
    (started,), (complete,) = (kit.server.callbacks(one) for one in ("started", "complete"))
    sequences = [one.json["sequence"] for one in (started, *reports, complete)]
    assert sequences == sorted(set(sequences)), "heartbeats last until all is delivered"


def test_a_silent_function_still_sends_heartbeats(kit: Kit) -> None:
    kit.server.generation()

    def silent(_job: Job) -> Result:
        kit.server.wait_for("/progress", 3)
        return Result(content=PICTURE, content_type="image/png")

    kit.run(silent)
    assert len(kit.server.callbacks("progress")) == 3


@pytest.mark.parametrize(
    "troubles",
    [
        [Reply(status=503), Reply(status=429, headers={"Retry-After": "0"})],
        [Reply(status=500), Reply(hangs_up=True)],
        [Reply(status=502, headers={"Retry-After": "soon"}), Reply(status=504)],
    ],
)
@pytest.mark.parametrize("action", ["started", "complete"])
def test_a_callback_is_sent_again_under_the_same_id_and_body(
    kit: Kit, action: str, troubles: list[Reply]
) -> None:
    kit.server.generation()
    kit.server.script[action].extend(troubles)
    assert kit.run()
    tries = kit.server.callbacks(action)
    assert len(tries) == 3
    assert len({(t.headers["webhook-id"], t.body) for t in tries}) == 1


def test_every_callback_has_an_id_of_its_own(kit: Kit) -> None:
    kit.server.generation()
    kit.run()
    ids = [c.headers["webhook-id"] for c in kit.server.callbacks()]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("status", [401, 403, 404, 409, 422])
def test_a_refused_start_is_final_and_nothing_runs(kit: Kit, status: int) -> None:
    kit.server.generation()
    kit.server.script["started"].append(refused(status))
    assert not kit.run(_must_not_run)
    assert [c.path.rsplit("/", 1)[-1] for c in kit.server.callbacks()] == ["started"]


@pytest.mark.parametrize("disposition", ["stale", "job_closed", "late_ignored", "rejected", ""])
def test_a_task_that_is_not_ours_does_not_run(kit: Kit, disposition: str) -> None:
    kit.server.generation()
    kit.server.script["started"].append(applied(disposition=disposition))
    assert not kit.run(_must_not_run)
    assert len(kit.server.callbacks()) == 1


@pytest.mark.parametrize("reply", PROXY_REPLIES)
def test_what_a_proxy_says_starts_nothing(kit: Kit, reply: Reply) -> None:
    kit.server.generation()
    kit.server.script["started"].extend([reply] * 4)
    assert not kit.run(_must_not_run)
    assert (kit.folder / "claim.json").exists()


@pytest.mark.parametrize("reply", PROXY_REPLIES)
def test_what_a_proxy_says_is_no_answer_to_a_poll(kit: Kit, reply: Reply) -> None:
    kit.server.generation()
    kit.server.script["tasks"].append(reply)
    assert kit.run()


def test_a_duplicate_start_runs(kit: Kit) -> None:
    """The first `started` was applied but its answer was lost."""
    kit.server.generation()
    kit.server.script["started"].append(applied(disposition="duplicate"))
    assert kit.run()
    assert kit.server.callbacks("complete")


def _must_not_run(_job: Job) -> Result:
    raise AssertionError("it ran")


def _patient(job: Job) -> Result:
    """Report until stopped."""
    while True:
        job.report(10)
        time.sleep(0.01)


def _deaf(_job: Job) -> Result:
    """Never report: cannot be stopped in order."""
    time.sleep(2.0)
    return Result(content=PICTURE, content_type="image/png")


@pytest.mark.parametrize("work", [_patient, _deaf])
def test_a_canceled_job_is_stopped_and_reported_as_canceled(kit: Kit, work: Work) -> None:
    kit.server.generation()
    kit.server.script["progress"].append(applied(cancel=True))
    began = time.monotonic()
    kit.run(work)
    assert kit.outcome() == {
        "code": "canceled",
        "message": "The job was canceled",
        "retryable": False,
    }
    assert time.monotonic() - began < 1.9
    assert not kit.server.uploads


def test_a_job_canceled_before_it_began_is_not_worked_on(kit: Kit) -> None:
    kit.server.generation()
    kit.server.script["started"].append(applied(cancel=True))
    kit.run(_must_not_run)
    assert kit.outcome()["code"] == "canceled"


@pytest.mark.parametrize(
    "reply",
    [
        applied(disposition="stale"),
        applied(disposition="job_closed"),
        refused(401),
        refused(403),
        refused(404),
    ],
)
def test_a_closed_job_is_left_without_a_word(kit: Kit, reply: Reply) -> None:
    kit.server.generation()
    kit.server.script["progress"].append(reply)
    assert kit.run(_patient)
    assert not kit.server.callbacks("complete")
    assert not kit.server.callbacks("failed")
    assert list(kit.folder.iterdir()) == [kit.folder / "lock"]


@pytest.mark.parametrize(
    "reply", [Reply(status=503), Reply(hangs_up=True), refused(422), *PROXY_REPLIES]
)
def test_an_unanswered_heartbeat_does_not_stop_the_work(kit: Kit, reply: Reply) -> None:
    kit.server.generation()
    kit.server.script["progress"].append(reply)

    def slow(job: Job) -> Result:
        job.report(30)
        time.sleep(0.4)
        return Result(content=PICTURE, content_type="image/png")

    kit.run(slow)
    assert kit.server.callbacks("complete")


def _raises(error: BaseException) -> Work:
    def work(_job: Job) -> Result:
        raise error

    return work


@pytest.mark.parametrize(
    ("work", "code", "retryable"),
    [
        (_raises(JobFailed("moderation", "no", retryable=False)), "moderation", False),
        (_raises(JobFailed("busy", "later", retryable=True)), "busy", True),
        (_raises(ValueError("a secret wish")), "worker_error", True),
        (_raises(SystemExit(1)), "worker_error", True),
        (_raises(MemoryError()), "worker_error", True),
    ],
)
def test_a_failure_is_reported_with_its_code_and_without_the_prompt(
    kit: Kit, work: Work, code: str, retryable: bool
) -> None:
    kit.server.generation()
    kit.run(work)
    outcome = kit.outcome()
    assert (outcome["code"], outcome["retryable"]) == (code, retryable)
    assert "wish" not in json.dumps(outcome)
    assert not kit.server.uploads


@pytest.mark.parametrize(
    "result",
    [
        Result(content=b"", content_type="image/png"),
        Result(content="text", content_type="image/png"),  # type: ignore[arg-type]  # the bug
        Result(content=b"x", content_type="text/html"),
        Result(content=b"x", content_type="image/png", metrics={"a": float("nan")}),
        Result(content=b"x", content_type="image/png", metrics={"Loss": 1}),
        Result(content=b"x", content_type="image/png", metrics={f"m{i}": i for i in range(51)}),
    ],
)
def test_a_result_that_the_server_would_refuse_is_not_sent(kit: Kit, result: Result) -> None:
    kit.server.generation()
    kit.run(lambda _job: result)
    assert kit.outcome()["code"] == "worker_error"
    assert not kit.server.uploads


def test_log_lines_never_hold_the_prompt(kit: Kit, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    kit.server.generation()
    kit.run(_raises(ValueError("a secret wish")))
    lines = [f"{r.getMessage()} {getattr(r, 'facts', '')}" for r in caplog.records]
    assert any("task_ended" in line and "ValueError" in line for line in lines)
    assert not any("wish" in line for line in lines)


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda model, files: model.update(sha256="0" * 64), "input_mismatch"),
        (lambda model, files: files.clear(), "input_unavailable"),
        (lambda model, files: model.update(sha256="no"), "task_invalid"),
        (lambda model, files: model.update(url="file:///etc/passwd"), "task_invalid"),
        (lambda model, files: model.pop("url"), "task_invalid"),
    ],
)
def test_an_input_that_is_not_as_stated_fails_the_task(
    kit: Kit, spoil: Callable[[dict[str, str], dict[str, bytes]], None], code: str
) -> None:
    task = kit.server.generation()
    spoil(task["data"]["model"], kit.server.files)
    kit.run(_must_not_run)
    assert kit.outcome()["code"] == code


def test_an_input_that_is_too_large_is_not_read_to_its_end(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consumers.worker.task.MAX_MODEL_BYTES", 1000)
    kit.server.generation(b"x" * 1001)
    kit.run(_must_not_run)
    assert kit.outcome()["code"] == "input_too_large"


def test_an_input_that_comes_too_slowly_is_given_up(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consumers.worker.objects.TOTAL_SECONDS", -1.0)
    kit.server.generation()
    kit.run(_must_not_run)
    assert kit.outcome()["code"] == "input_too_large"


def test_an_input_that_stays_away_fails_the_task(kit: Kit) -> None:
    kit.server.generation()
    kit.server.script["model"].extend(Reply(status=503) for _ in range(4))
    kit.run(_must_not_run)
    outcome = kit.outcome()
    assert (outcome["code"], outcome["retryable"]) == ("input_unavailable", True)


def test_an_input_cut_short_is_fetched_again(kit: Kit) -> None:
    kit.server.generation()
    kit.server.script["model"].append(
        Reply(body=b"mod", headers={"Content-Length": "5", "Connection": "close"})
    )
    assert kit.run()
    assert kit.server.callbacks("complete")


def test_a_redirect_is_not_followed(kit: Kit) -> None:
    kit.server.generation()
    elsewhere = {"Location": f"{kit.server.url}/files/model?"}
    kit.server.script["model"].append(Reply(status=302, headers=elsewhere))
    kit.run(_must_not_run)
    assert kit.outcome()["code"] == "input_unavailable"


@pytest.mark.parametrize(
    "task",
    [
        {"type": "image_generation"},
        "text",
        {"task_id": "x" * 36, "type": "image_generation", "data": {}, "upload": {}},
    ],
)
def test_a_task_that_cannot_be_answered_is_left(kit: Kit, task: object) -> None:
    kit.server.tasks.append(task)
    assert not kit.run(_must_not_run)
    assert not kit.server.callbacks()


def test_a_task_of_an_unknown_type_is_left(kit: Kit) -> None:
    kit.server.generation()["type"] = "video_generation"
    assert not kit.run(_must_not_run)
    assert not kit.server.callbacks()


def test_a_start_that_cannot_be_reported_runs_nothing(kit: Kit) -> None:
    """The task is begun by whoever can say so; the claim stays, so that it may be us."""
    kit.server.generation()
    kit.server.script["started"].extend(Reply(status=503) for _ in range(4))
    assert not kit.run(_must_not_run)
    assert (kit.folder / "claim.json").exists()


def test_a_crashed_run_goes_on_under_the_same_claim_with_larger_sequences(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a kill the task is delivered again; the fence (task_id, claim) still lets us in."""
    task = kit.server.generation()

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Outbox, "put", dies)
    with pytest.raises(KeyboardInterrupt):
        kit.run()
    monkeypatch.undo()
    kit.server.tasks.append(task)
    kit.run()
    first, second = kit.server.callbacks("started")
    assert first.json["claim"] == second.json["claim"]
    before = [c.json["sequence"] for c in kit.server.callbacks() if c.at < second.at]
    assert second.json["sequence"] > max(before)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_worker_that_the_server_refuses_ends(kit: Kit, status: int) -> None:
    kit.server.script["tasks"].append(refused(status))
    with pytest.raises(WorkerRefused, match=f"{status} no"):
        kit.run()


def test_a_busy_server_is_asked_again(kit: Kit) -> None:
    kit.server.generation()
    kit.server.script["tasks"].extend(
        [Reply(status=503), Reply(status=429, headers={"Retry-After": "0"}), Reply(hangs_up=True)]
    )
    assert kit.run()


def test_a_server_that_stays_away_ends_the_worker(kit: Kit) -> None:
    kit.give_up_seconds = 0.2
    kit.server.script["tasks"].extend(Reply(status=503) for _ in range(500))
    with pytest.raises(Unreachable):
        kit.run()


def test_retry_after_is_heeded(kit: Kit) -> None:
    kit.server.generation()
    kit.server.script["tasks"].append(Reply(status=429, headers={"Retry-After": "1"}))
    kit.run()
    first, second = kit.server.wait_for("/tasks/", 2)[:2]
    assert second.at - first.at >= 1.0


def test_stop_while_polling_ends_at_once(kit: Kit) -> None:
    threading.Timer(0.2, kit.stop.set).start()
    began = time.monotonic()
    assert not kit.run(once=False)
    assert time.monotonic() - began < 0.8


def test_stop_lets_a_short_task_finish(kit: Kit) -> None:
    kit.server.generation()

    def short(_job: Job) -> Result:
        kit.stop.set()
        time.sleep(0.2)
        return Result(content=PICTURE, content_type="image/png")

    kit.run(short)
    assert kit.server.callbacks("complete")


@pytest.mark.parametrize("work", [_patient, _deaf])
def test_stop_gives_up_a_long_task_after_the_grace(kit: Kit, work: Work) -> None:
    kit.server.generation()
    threading.Timer(0.2, kit.stop.set).start()
    began = time.monotonic()
    kit.run(work)
    outcome = kit.outcome()
    assert (outcome["code"], outcome["retryable"]) == ("worker_stopped", True)
    assert time.monotonic() - began < 1.9


def test_the_shared_token_works_without_a_secret(kit: Kit) -> None:
    kit.credentials = Credentials(worker_id=WORKER_ID, token=TOKEN, trusted=origin(kit.server.url))
    kit.server.generation()
    assert kit.run()
    (complete,) = kit.server.callbacks("complete")
    assert complete.headers["authorization"] == f"Bearer {TOKEN}"
    assert "webhook-signature" not in complete.headers


def test_the_shared_token_is_sent_to_no_other_server(kit: Kit) -> None:
    kit.credentials = Credentials(worker_id=WORKER_ID, token=TOKEN, trusted=origin(kit.server.url))
    task = kit.server.generation()
    with WorkerServer() as other:
        task["callbacks"]["failed"] = f"{other.url}/api/webhooks/generation/failed"
        assert not kit.run(_must_not_run)
        assert not other.seen
    assert not kit.server.callbacks()


def test_credentials_are_not_sent_with_downloads_and_uploads(
    kit: Kit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the worker's own, nor what a .netrc of the machine holds for that host."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password stored")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    kit.server.generation()
    kit.run()
    for seen in kit.server.seen:
        if seen.path.startswith(("/files/", "/uploads/")):
            assert not {"authorization", "webhook-signature", "x-worker-id"} & set(seen.headers)


def test_a_forged_secret_is_refused_by_the_server(kit: Kit) -> None:
    kit.credentials = Credentials(worker_id=WORKER_ID, secret="whsec_" + "b3RoZXI=")
    with pytest.raises(WorkerRefused):
        kit.run()
