"""`python -m consumers.worker`: the reference worker as a process of its own."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import pytest
from PIL import Image

from consumers.amqp import delete_queues
from consumers.broker import Message
from consumers.rabbitmq import RabbitBroker
from consumers.topology import TOPOLOGY
from core.images.results import check_result
from tests.integration.consumers.worker_kit import known, start
from tests.integration.consumers.worker_server import (
    SECRET,
    TOKEN,
    WORKER_ID,
    Reply,
    WorkerServer,
    applied,
)

ROOT = Path(__file__).parents[3]
RETINA = sorted((ROOT / "demo" / "images" / "retina").glob("*.jpg"))


def run(folder: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """Run a worker to its end; return exit code and stderr."""
    process = start(folder, *arguments, **environment)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


def test_a_style_is_trained_and_a_picture_is_painted_with_it(
    server: WorkerServer, tmp_path: Path
) -> None:
    """Both results pass the checks that the server makes before it captures tokens (G6)."""
    images = [
        server.serve_file(path.name, path.read_bytes()) | {"caption": "retina"}
        for path in RETINA[:10]
    ]
    parameters = {"epochs": 50, "learning_rate": 0.0001}
    data = {"training_id": "t", "style_id": "s", "images": images, "parameters": parameters}
    training = server.task("model_training", data)
    code, errors = run(tmp_path, "--once", **known(server))
    assert code == 0, errors
    model = server.uploads[training["task_id"]][1]
    said = server.callbacks("complete")[0].json["data"]
    check_result(model, sha256=said["sha256"], size_bytes=said["bytes"], kind="model")

    generation = server.generation(model)
    code, errors = run(tmp_path, "--once", **known(server))
    assert code == 0, errors
    picture = server.uploads[generation["task_id"]][1]
    said = server.callbacks("complete")[1].json["data"]
    check_result(
        picture, sha256=said["sha256"], size_bytes=said["bytes"], kind="picture", pixels=(512, 512)
    )
    with Image.open(io.BytesIO(picture)) as image:
        assert image.info["generation_id"] == generation["data"]["generation_id"]
    assert "wish" not in errors
    events = [json.loads(line)["event"] for line in errors.splitlines()]
    expected = ["worker_ready", "task_started", "task_ended", "task_answered", "worker_ended"]
    assert events == expected


@pytest.mark.rabbitmq
def test_tasks_may_come_from_rabbitmq(server: WorkerServer, tmp_path: Path) -> None:
    url, prefix = os.environ["AMQP_URL"], f"test-{uuid4().hex[:12]}."
    task = server.generation()
    broker = RabbitBroker(url, prefix=prefix)
    try:
        broker.declare(TOPOLOGY)
        body = json.dumps(task).encode()
        message = Message(id=task["task_id"], type=task["type"], body=body)
        broker.publish("image_generation", message)
        arguments = ("--once", "--amqp", url, "--queue-prefix", prefix)
        code, errors = run(tmp_path, *arguments, **known(server))
    finally:
        broker.close()
        delete_queues(url, TOPOLOGY, prefix)
    assert code == 0, errors
    assert server.callbacks("failed")[0].json["data"]["code"] == "model_invalid"
    assert not [seen for seen in server.seen if seen.path.endswith("/tasks/")]


def test_amqp_without_pika_is_told(tmp_path: Path) -> None:
    """Who only polls needs no pika."""
    code = "import sys; sys.modules['pika'] = None; from consumers.worker.command import run; "
    code += "sys.exit(run({}))"
    ended = subprocess.run(
        [sys.executable, "-c", code, "--amqp", "amqp://127.0.0.1", "--state-dir", str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"WORKER_ID": "w", "WORKER_SECRET": SECRET},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    assert "pika" in ended.stderr


def test_a_worker_says_of_which_family_its_models_are(server: WorkerServer, tmp_path: Path) -> None:
    code, errors = run(
        tmp_path, "--once", "--wait-seconds", "1", "--family", "flux", **known(server)
    )
    assert code == 5, errors
    assert {poll.json["family"] for poll in server.seen} == {"flux"}
    code, errors = run(tmp_path, "--family", "Flux 1", **known(server))
    assert (code, "--family" in errors) == (2, True)


def test_arguments_win_over_the_environment(server: WorkerServer, tmp_path: Path) -> None:
    code, errors = run(
        tmp_path,
        *("--once", "--wait-seconds", "0", "--url", server.url),
        *("--worker-id", WORKER_ID, "--secret", SECRET),
        WORKER_URL="http://127.0.0.1:1",
        WORKER_ID="another",
        WORKER_SECRET="whsec_b3RoZXI=",
    )
    assert code == 5, errors


def test_the_shared_token_comes_from_the_environment(server: WorkerServer, tmp_path: Path) -> None:
    environment = {"WORKER_URL": server.url, "WORKER_ID": WORKER_ID, "INTERNAL_API_TOKEN": TOKEN}
    code, errors = run(tmp_path, "--once", "--wait-seconds", "0", **environment)
    assert code == 5, errors


def test_a_refused_worker_ends_with_3(server: WorkerServer, tmp_path: Path) -> None:
    code, errors = run(tmp_path, **known(server) | {"WORKER_SECRET": "whsec_b3RoZXI="})
    assert code == 3
    assert "401 worker_not_proven" in errors


def test_a_server_that_is_away_ends_it_with_4(tmp_path: Path) -> None:
    environment = {"WORKER_ID": WORKER_ID, "WORKER_SECRET": SECRET}
    code, errors = run(
        tmp_path, "--url", "http://127.0.0.1:1", "--give-up-seconds", "0", **environment
    )
    assert code == 4
    assert "cannot be reached" in errors


def test_two_workers_do_not_share_one_folder(server: WorkerServer, tmp_path: Path) -> None:
    first = start(tmp_path, **known(server))
    server.wait_for("/tasks/")
    code, errors = run(tmp_path, "--once", **known(server))
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=10)
    assert code == 2
    assert "another worker" in errors


def test_a_folder_that_cannot_be_used_is_told(server: WorkerServer, tmp_path: Path) -> None:
    (tmp_path / "workers").write_text("a file")
    code, errors = run(tmp_path, "--once", **known(server))
    assert code == 2
    assert "state folder" in errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_an_idle_worker_at_once(
    server: WorkerServer, tmp_path: Path, number: signal.Signals
) -> None:
    process = start(tmp_path, **known(server))
    server.wait_for("/tasks/")
    process.send_signal(number)
    _, errors = process.communicate(timeout=3)
    assert process.returncode == 0
    assert "worker_ending" in errors


def test_a_signal_lets_the_task_finish(server: WorkerServer, tmp_path: Path) -> None:
    """The task is refused for its model, which takes the download: enough time for a signal."""
    task = server.generation()
    server.script["model"].append(Reply(body=b"model", delay=1.0))
    process = start(tmp_path, **known(server))
    server.wait_for("/files/model")
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 0, errors
    (failed,) = server.callbacks("failed")
    assert failed.json["task_id"] == task["task_id"]
    assert failed.json["data"]["code"] == "model_invalid"


def test_a_second_signal_ends_it_without_waiting(server: WorkerServer, tmp_path: Path) -> None:
    server.generation()
    server.script["model"].append(Reply(body=b"model", delay=20))
    process = start(tmp_path, **known(server))
    server.wait_for("/files/model")
    process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=5)
    assert process.returncode == -signal.SIGTERM


def test_a_prompt_on_the_moderation_list_is_reported_and_not_logged(
    server: WorkerServer, tmp_path: Path
) -> None:
    task = server.generation()
    task["data"]["prompt"] = "torture of a unicorn"
    code, errors = run(tmp_path, "--once", "--log-level", "debug", **known(server))
    assert code == 0
    (failed,) = server.callbacks("failed")
    assert failed.json["data"]["code"] == "moderation"
    assert failed.json["data"]["retryable"] is False
    assert "unicorn" not in errors


def test_painting_reports_progress_and_obeys_cancel(server: WorkerServer, tmp_path: Path) -> None:
    images = [server.serve_file(path.name, path.read_bytes()) for path in RETINA] * 4
    server.task("model_training", {"style_id": "s", "images": images, "parameters": {}})
    server.script["progress"].append(applied(cancel=True))
    code, errors = run(tmp_path, "--once", **known(server))
    assert code == 0, errors
    (failed,) = server.callbacks("failed")
    assert failed.json["data"]["code"] == "canceled"
