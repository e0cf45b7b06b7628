"""The worker's outbox: what was made arrives, after a crash, an outage of days, a silly proxy."""

import json
import signal
import threading
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from consumers.worker.credentials import Credentials
from consumers.worker.delivery import WorkerRefused
from consumers.worker.disk import write_whole
from consumers.worker.job import Job, Result
from consumers.worker.retry import Retry, Unreachable
from tests.integration.consumers.worker_kit import PICTURE, PLAIN, Kit, known, start
from tests.integration.consumers.worker_server import (
    PROXY_REPLIES,
    TOKEN,
    WORKER_ID,
    Reply,
    WorkerServer,
    applied,
    refused,
)

S3_REFUSAL = b"<?xml version='1.0'?>\n<Error><Code>AccessDenied</Code></Error>"
AWAY = [
    Reply(status=503),
    Reply(status=500),
    Reply(status=429),
    Reply(hangs_up=True),
    *PROXY_REPLIES[:5],
]


def left(kit: Kit) -> set[str]:
    """Return the names of the files that stayed in the worker's folder."""
    return {path.name for path in kit.folder.iterdir()}


def leave_waiting(kit: Kit, step: str) -> None:
    """Run a worker that gives up at once, so that this step is left in its outbox."""
    task = kit.server.generation()
    kit.server.script[task["task_id"] if step == "upload" else step].append(Reply(status=503))
    kit.give_up_seconds = 0
    with pytest.raises(Unreachable):
        kit.run()


@pytest.mark.parametrize("path", ["/uploads/", "/complete"])
def test_result_and_report_are_on_disk_before_anything_of_them_is_sent(kit: Kit, path: str) -> None:
    task = kit.server.generation()
    there: list[set[str]] = []
    note = kit.server.note

    def look(seen: object) -> None:
        if path in getattr(seen, "path", ""):
            there.append(left(kit))
        note(seen)  # type: ignore[arg-type]  # as it came

    kit.server.note = look  # type: ignore[method-assign]  # to see the folder at that moment
    kit.run()
    expected = {"lock", "claim.json", "final.json"}
    assert there == [expected | ({"result.bin"} if path == "/uploads/" else set())]
    assert kit.server.uploads[task["task_id"]][1] == PICTURE
    assert left(kit) == {"lock"}


def test_a_file_and_its_name_reach_the_disk_before_the_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[bool] = []
    monkeypatch.setattr(
        "os.fsync", lambda number: synced.append(Path(f"/proc/self/fd/{number}").is_dir())
    )
    write_whole(tmp_path / "file", b"content")
    assert synced == [False, True]
    assert (tmp_path / "file").read_bytes() == b"content"


@pytest.mark.parametrize("troubles", [AWAY, [Reply(status=503)] * 30])
@pytest.mark.parametrize("form", [True, False])
def test_a_store_that_is_away_costs_no_work(kit: Kit, troubles: list[Reply], form: bool) -> None:
    task = kit.server.generation(form=form)
    kit.server.script[task["task_id"]].extend(troubles)
    assert kit.run()
    (complete,) = kit.server.callbacks("complete")
    assert kit.server.uploads[task["task_id"]][1] == PICTURE
    assert complete.json["data"]["bytes"] == len(PICTURE)


@pytest.mark.parametrize("troubles", [[*AWAY, *PROXY_REPLIES], [Reply(status=503)] * 30])
def test_a_server_that_is_away_costs_no_work(kit: Kit, troubles: list[Reply]) -> None:
    """No number of tries is the last one, and the result is uploaded once."""
    kit.server.generation()
    kit.server.script["complete"].extend(troubles)
    assert kit.run()
    tries = kit.server.callbacks("complete")
    assert len(tries) == len(troubles) + 1
    assert len({(t.headers["webhook-id"], t.body) for t in tries}) == 1
    assert len([s for s in kit.server.seen if s.path.startswith("/uploads/")]) == 1
    assert left(kit) == {"lock"}


def test_pauses_grow_to_a_minute_and_differ() -> None:
    retry = Retry()
    late = [retry.pause_seconds(failures) for failures in range(8, 100)]
    assert all(30 <= pause <= 60 for pause in late)
    assert len(set(late)) > 1
    early = [2 * retry.first_seconds * 2.0**failures for failures in range(6)]
    assert all(later > earlier for earlier, later in pairwise(early))


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=403, body=S3_REFUSAL),
        Reply(status=400, body=S3_REFUSAL),
        refused(403, "link_expired"),
        refused(413, "object_too_large"),
    ],
)
def test_a_refused_upload_is_the_servers_to_judge(kit: Kit, reply: Reply) -> None:
    """The completion is sent all the same: the server finds no result and says what follows."""
    task = kit.server.generation()
    kit.server.script[task["task_id"]].append(reply)
    kit.server.script["complete"].append(applied(disposition="rejected", code="result_missing"))
    assert kit.run()
    assert len(kit.server.callbacks("complete")) == 1
    assert not kit.server.callbacks("failed")
    assert left(kit) == {"lock"}


@pytest.mark.parametrize(("hours", "uploads"), [(1.9, 1), (2.1, 0)])
def test_nothing_is_uploaded_two_hours_after_the_deadline(
    kit: Kit, hours: float, uploads: int
) -> None:
    """The link is dead by then, but the server still hears of the completion."""
    task = kit.server.generation()
    task["deadline"] = (datetime.now(UTC) - timedelta(hours=hours)).isoformat()
    assert kit.run()
    assert len(kit.server.uploads) == uploads
    assert len(kit.server.callbacks("complete")) == 1


def test_a_lost_result_is_the_servers_to_judge(kit: Kit) -> None:
    leave_waiting(kit, "upload")
    (kit.folder / "result.bin").unlink()
    assert kit.run()
    assert not kit.server.uploads
    assert len(kit.server.callbacks("complete")) == 1


def test_what_waits_is_kept_and_delivered_by_the_next_run(kit: Kit) -> None:
    """G12: what was done is not lost when the server is away or the worker ends."""
    leave_waiting(kit, "complete")
    assert (kit.folder / "final.json").stat().st_mode & 0o077 == 0
    assert kit.run()
    tries = kit.server.callbacks("complete")
    assert len(tries) == 2
    assert len({(t.headers["webhook-id"], t.body) for t in tries}) == 1
    assert left(kit) == {"lock"}


@pytest.mark.parametrize("where", ["upload", "complete"])
def test_a_worker_killed_while_it_delivers_is_replaced_by_one_that_does(
    server: WorkerServer, tmp_path: Path, where: str
) -> None:
    """kill -9 at both steps; the model does not run a second time."""
    task = server.generation()
    step = task["task_id"] if where == "upload" else "complete"
    server.script[step].append(Reply(delay=30, hangs_up=True))
    process = start(tmp_path, module=PLAIN, **known(server))
    server.wait_for(f"/{step}")
    process.kill()
    process.communicate()
    again = start(tmp_path, module=PLAIN, **known(server))
    server.wait_for("/complete", 2 if where == "complete" else 1)
    again.send_signal(signal.SIGTERM)
    again.communicate(timeout=10)
    assert len(server.callbacks("started")) == 1
    assert len({(c.headers["webhook-id"], c.body) for c in server.callbacks("complete")}) == 1
    assert server.uploads[task["task_id"]][1] == PICTURE


def test_an_unanswered_completion_goes_out_before_new_work(kit: Kit) -> None:
    kit.server.generation()
    kit.server.generation()
    kit.server.script["complete"].extend(Reply(status=503) for _ in range(4))

    def end_after_both() -> None:
        kit.server.wait_for("/complete", 6)
        kit.stop.set()

    threading.Thread(target=end_after_both, daemon=True).start()
    kit.run(once=False)
    actions = [c.path.rsplit("/", 1)[-1] for c in kit.server.callbacks()]
    in_order = [action for action in actions if action != "progress"]
    assert in_order[:7] == ["started", *["complete"] * 5, "started"]


@pytest.mark.parametrize("status", [403, 404, 409, 422])
def test_the_servers_own_refusal_is_final(kit: Kit, status: int) -> None:
    kit.server.generation()
    kit.server.script["complete"].append(refused(status))
    assert kit.run()
    assert len(kit.server.callbacks("complete")) == 1
    assert left(kit) == {"lock"}


def test_a_completion_refused_for_its_signature_is_kept_for_other_credentials(kit: Kit) -> None:
    kit.server.generation()
    kit.server.script["complete"].append(refused(401))
    with pytest.raises(WorkerRefused):
        kit.run()
    kit.run()
    assert len(kit.server.callbacks("complete")) == 2


def test_a_kept_completion_is_not_sent_elsewhere_with_the_token(kit: Kit) -> None:
    leave_waiting(kit, "complete")
    kit.credentials = Credentials(worker_id=WORKER_ID, token=TOKEN, trusted="http://other:80")
    with pytest.raises(WorkerRefused, match="token"):
        kit.run()
    assert (kit.folder / "final.json").exists()


def test_a_report_kept_by_an_earlier_release_is_delivered(kit: Kit) -> None:
    """Before 0.2 nothing was uploaded from the outbox."""
    kit.folder.mkdir()
    url = f"{kit.server.url}/api/webhooks/generation/failed"
    kept = {"task_id": "t", "action": "failed", "url": url, "callback_id": "c", "body": "{}"}
    (kit.folder / "final.json").write_text(json.dumps(kept))
    assert kit.run()
    assert len(kit.server.callbacks("failed")) == 1


def test_what_killed_runs_left_is_cleared(kit: Kit) -> None:
    inputs = kit.folder / "inputs-abc"
    inputs.mkdir(parents=True)
    for file in (inputs / "input-0", kit.folder / "result.bin", kit.folder / "final.json.new"):
        file.write_bytes(b"x")
    kit.run()
    assert left(kit) <= {"lock", "claim.json"}


def test_inputs_of_a_running_task_are_what_is_cleared(kit: Kit) -> None:
    kit.server.generation()
    names: list[str] = []

    def look(job: Job) -> Result:
        names.append(job.inputs[0].path.parent.name)
        return Result(content=PICTURE, content_type="image/png")

    kit.run(look)
    assert names[0].startswith("inputs-")
