"""Heartbeats go on whatever the author's function does, and end with the worker."""

import os
import signal
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest

from consumers.worker.heart import Heart
from consumers.worker.job import Job, Result
from tests.integration.consumers.plain_worker import HELD_SECONDS
from tests.integration.consumers.worker_kit import PICTURE, PLAIN, Kit, known, start
from tests.integration.consumers.worker_server import Reply, WorkerServer, applied, refused


def beats_of(pid: int) -> int:
    """Return the process that beats for a worker."""
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        if b"consumers.worker.beats" in Path(f"/proc/{child}/cmdline").read_bytes():
            return int(child)
    raise AssertionError("it has none")


def is_alive(pid: int) -> bool:
    try:
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def wait_for_end(pid: int, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while is_alive(pid) and time.monotonic() < until:
        time.sleep(0.05)
    return not is_alive(pid)


def leased(server: WorkerServer, lease_seconds: float) -> dict[str, object]:
    """Queue a generation whose lease is so long."""
    task = server.generation()
    task["lease_seconds"] = lease_seconds
    return task


def test_a_function_that_holds_the_interpreter_keeps_its_lease(
    server: WorkerServer, tmp_path: Path
) -> None:
    """The longest silence is shorter than the lease, though the lock is held for three of them."""
    leased(server, HELD_SECONDS / 3)
    process = start(tmp_path, "--once", module=PLAIN, MODEL="hog", **known(server))
    process.communicate(timeout=30)
    assert process.returncode == 0
    times = [seen.at for seen in server.callbacks()]
    assert times[-1] - times[0] >= HELD_SECONDS
    assert max(later - earlier for earlier, later in pairwise(times)) < HELD_SECONDS / 3


def test_the_interval_is_a_third_of_the_stated_lease(kit: Kit) -> None:
    leased(kit.server, 1.2)

    def silent(_job: Job) -> Result:
        kit.server.wait_for("/progress", 3)
        return Result(content=PICTURE, content_type="image/png")

    kit.run(silent)
    for earlier, later in pairwise(kit.server.callbacks("progress")[:3]):
        assert 0.35 < later.at - earlier.at < 0.8


@pytest.mark.parametrize("model", ["doze", "fork"])
def test_a_killed_worker_stops_beating(server: WorkerServer, tmp_path: Path, model: str) -> None:
    """Also when a helper of the function still holds what the worker held open."""
    leased(server, 0.6)
    process = start(tmp_path, module=PLAIN, MODEL=model, **known(server))
    server.wait_for("/progress", 2)
    beats = beats_of(process.pid)
    process.kill()
    assert wait_for_end(beats, 2.0)
    process.stderr.close()  # type: ignore[union-attr]  # it is a pipe
    process.wait()


def test_a_signal_to_all_does_not_stop_the_beats_of_a_task_that_may_finish(
    server: WorkerServer, tmp_path: Path
) -> None:
    """Ctrl-C goes to the whole group of a terminal; the task still has its grace."""
    leased(server, 0.6)
    process = start(tmp_path, module=PLAIN, MODEL="doze", **known(server))
    count = len(server.wait_for("/progress", 2))
    beats = beats_of(process.pid)
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(beats, number)
    process.send_signal(signal.SIGINT)
    server.wait_for("/progress", count + 4)
    assert is_alive(beats)
    process.communicate(timeout=20)
    assert process.returncode == 0
    assert len(server.callbacks("complete")) == 1
    assert not is_alive(beats)


def test_a_lost_process_is_replaced_and_counts_on(server: WorkerServer, tmp_path: Path) -> None:
    leased(server, 0.6)
    process = start(tmp_path, "--once", module=PLAIN, MODEL="doze", **known(server))
    count = len(server.wait_for("/progress", 2))
    os.kill(beats_of(process.pid), signal.SIGKILL)
    server.wait_for("/progress", count + 3)
    _, errors = process.communicate(timeout=30)
    assert "heart_lost" in errors
    sequences = [seen.json["sequence"] for seen in server.callbacks()]
    assert sequences == sorted(set(sequences))
    assert len(server.callbacks("complete")) == 1


def test_beats_go_on_until_the_result_is_delivered(kit: Kit) -> None:
    """Else the lease would lapse while the store is away, and the result be late."""
    task = leased(kit.server, 0.3)
    kit.server.script[str(task["task_id"])].extend(Reply(status=503) for _ in range(1000))

    def end_later() -> None:
        kit.server.wait_for(f"/{task['task_id']}", 1)
        count = len(kit.server.callbacks("progress"))
        kit.server.wait_for("/progress", count + 4)
        kit.server.script[str(task["task_id"])].clear()

    threading.Thread(target=end_later, daemon=True).start()
    assert kit.run()
    complete, progress = kit.server.callbacks("complete")[0], kit.server.callbacks("progress")
    assert complete.json["sequence"] > max(seen.json["sequence"] for seen in progress)


def test_a_job_that_closes_while_its_result_waits_gets_no_more_beats(kit: Kit) -> None:
    task = leased(kit.server, 0.3)
    kit.server.script[str(task["task_id"])].extend(Reply(status=503) for _ in range(40))
    kit.server.script["progress"].append(applied(disposition="job_closed"))
    assert kit.run()
    assert len(kit.server.callbacks("progress")) == 1
    assert len(kit.server.callbacks("complete")) == 1


@pytest.mark.parametrize("reply", [Reply(delay=8), Reply(delay=8, hangs_up=True)])
def test_an_unanswered_beat_delays_no_stop(kit: Kit, reply: Reply) -> None:
    leased(kit.server, 0.3)
    kit.server.script["progress"].extend([reply] * 3)

    def until_stopped(job: Job) -> Result:
        kit.server.wait_for("/progress")
        kit.stop.set()
        stopped.append(time.monotonic())
        while True:
            job.report(10)
            time.sleep(0.01)

    stopped: list[float] = []
    kit.run(until_stopped)
    assert time.monotonic() - stopped[0] < kit.pace.grace + 2.0
    assert kit.outcome()["code"] == "worker_stopped"


def test_a_refused_beat_does_not_stop_the_work(kit: Kit) -> None:
    leased(kit.server, 0.3)
    kit.server.script["progress"].append(refused(422))

    def slow(_job: Job) -> Result:
        kit.server.wait_for("/progress", 2)
        return Result(content=PICTURE, content_type="image/png")

    kit.run(slow)
    assert kit.server.callbacks("complete")


def test_work_goes_on_where_no_process_can_be_started(
    kit: Kit, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kit.server.generation()
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    assert kit.run()
    assert kit.server.callbacks("complete")
    assert "heart_not_started" in caplog.text


def test_a_process_that_dies_again_and_again_is_given_up(
    kit: Kit, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    heart = Heart(kit.credentials)
    kit.server.generation()

    def slow(_job: Job) -> Result:
        time.sleep(1.0)
        return Result(content=PICTURE, content_type="image/png")

    assert kit.run(slow)
    assert caplog.text.count("heart_lost") == 20
    heart.close()
