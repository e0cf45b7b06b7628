"""The guide for model authors does what it says: its worker is saved, run and given a task."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from consumers.worker import command
from consumers.worker.settings import read_settings
from tests.integration.consumers.worker_server import SECRET, WORKER_ID, WorkerServer

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs" / "how-to" / "write-a-worker.md").read_text()


@pytest.fixture(scope="module")
def my_worker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the guide's example, saved as it says."""
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    file = tmp_path_factory.mktemp("guide") / "my_worker.py"
    file.write_text(code)
    return file


def run(my_worker: Path, server: WorkerServer) -> subprocess.CompletedProcess[str]:
    (line,) = re.findall(r"^\$ python my_worker.py (.*)$", GUIDE, re.MULTILINE)
    arguments = line.replace("http://127.0.0.1:8000", server.url).split()
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "WORKER_ID": WORKER_ID,
        "WORKER_SECRET": SECRET,
        "STATE_DIR": str(my_worker.parent / "state"),
        "AMQP_URL": "",
    }
    return subprocess.run(
        [sys.executable, str(my_worker), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_example_paints_a_picture(my_worker: Path) -> None:
    with WorkerServer() as server:
        task = server.generation()
        ended = run(my_worker, server)
        assert ended.returncode == command.DONE, ended.stderr
        content = server.uploads[task["task_id"]][1]
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            assert image.size == (512, 512)
        (complete,) = server.callbacks("complete")
        assert complete.json["data"]["metrics"] == {"rows": 512}


def test_the_example_refuses_an_empty_prompt(my_worker: Path) -> None:
    with WorkerServer() as server:
        server.generation()["data"]["prompt"] = " "
        assert run(my_worker, server).returncode == command.DONE
        (failed,) = server.callbacks("failed")
        assert failed.json["data"]["code"] == "prompt_invalid"


def test_the_guide_lists_every_exit_code() -> None:
    listed = {int(code) for code in re.findall(r"^\| (\d) \|", GUIDE, re.MULTILINE)}
    codes = {command.DONE, command.WRONG_SETTINGS, command.REFUSED}
    assert listed == codes | {command.UNREACHABLE, command.NO_TASK}


def test_the_guide_lists_every_setting_with_its_default() -> None:
    rows = re.findall(r"^\| `--([a-z-]+)` \| (?:`(\w+)`)? ?\| (.*?) ?\|$", GUIDE, re.MULTILINE)
    assert len(rows) == 10
    environment = {"WORKER_URL": "http://a", "WORKER_ID": "w", "WORKER_SECRET": "whsec_c2Vj"}
    settings = read_settings([], environment)
    defaults = {name: default.strip("`") for name, _, default in rows}
    assert settings.wait_seconds == int(defaults["wait-seconds"])
    assert settings.grace_seconds == float(defaults["grace-seconds"])
    assert settings.give_up_seconds == float(defaults["give-up-seconds"])
    assert settings.log_level == defaults["log-level"]
    assert str(settings.state_dir) == f"{defaults['state-dir']}/workers/w"
