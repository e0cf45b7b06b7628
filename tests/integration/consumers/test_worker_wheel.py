"""The kit as a distribution of its own: built offline, installed, and run without the rest."""

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from consumers.worker.wheel_builder import build_wheel
from tests.integration.consumers.worker_kit import PICTURE
from tests.integration.consumers.worker_server import SECRET, WORKER_ID, WorkerServer

ROOT = Path(__file__).parents[3]
KIT = ROOT / "consumers" / "worker"
MY_WORKER = f"""
import sys
from consumers.worker.command import run
from consumers.worker.job import Job, Result

def paint(job: Job) -> Result:
    job.report(50)
    return Result(content={PICTURE!r}, content_type="image/png")

sys.exit(run({{"image_generation": paint}}))
"""


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def needed(requirements: Sequence[str], extra: str) -> Iterator[str]:
    """Yield the names of all distributions that these requirements bring."""
    for line in requirements:
        wanted = Requirement(line)
        if wanted.marker is None or wanted.marker.evaluate({"extra": extra}):
            yield wanted.name
            yield from needed(distribution(wanted.name).requires or [], "")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel as an author does, with nothing to download."""
    folder = tmp_path_factory.mktemp("wheel")
    before = set(KIT.iterdir())
    pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(folder), str(KIT))
    assert {path.name for path in set(KIT.iterdir()) - before} <= {"__pycache__"}
    (built,) = folder.glob("ledger_worker-*.whl")
    return built


def installed(wheel: Path, folder: Path, extra: str = "") -> Path:
    """Install the wheel into a folder, with just the packages that it says it needs."""
    pip("install", "--no-deps", "--no-index", "--target", str(folder), str(wheel))
    (metadata,) = folder.glob("ledger_worker-*.dist-info/METADATA")
    header = metadata.read_text().split("\n\n")[0]
    stated = [line.partition(": ")[2] for line in header.splitlines() if "Requires-Dist" in line]
    for name in set(needed(stated, extra)):
        for file in distribution(name).files or []:
            if not file.parts[0].startswith(".."):
                target = folder / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file.locate(), target)
    return folder


def python(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the interpreter below this virtual environment, with nothing on its path but `folder`."""
    interpreter = getattr(sys, "_base_executable", sys.executable)
    return subprocess.run(
        [interpreter, "-S", *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_an_author_installs_the_kit_and_runs_a_worker(wheel: Path, tmp_path: Path) -> None:
    folder = installed(wheel, tmp_path / "site")
    for absent in ("django", "ledger", "core", "numpy", "pika"):
        assert python(folder, "-c", f"import {absent}").returncode == 1
    (tmp_path / "my_worker.py").write_text(MY_WORKER)
    with WorkerServer() as server:
        task = server.generation()
        arguments = ("--once", "--url", server.url, "--state-dir", str(tmp_path / "state"))
        credentials = {"WORKER_ID": WORKER_ID, "WORKER_SECRET": SECRET}
        done = python(folder, str(tmp_path / "my_worker.py"), *arguments, **credentials)
        assert done.returncode == 0, done.stderr
        assert server.uploads[task["task_id"]][1] == PICTURE
        assert len(server.callbacks("complete")) == 1


def test_the_check_needs_none_of_the_reference_workers_packages(
    wheel: Path, tmp_path: Path
) -> None:
    folder = installed(wheel, tmp_path)
    assert python(folder, "-m", "consumers.worker", "check", "--help").returncode == 0
    told = python(folder, "-m", "consumers.worker")
    assert (told.returncode, "ledger-worker[reference]" in told.stderr) == (2, True)


@pytest.mark.parametrize(
    ("extra", "module"),
    [("amqp", "consumers.worker.queues"), ("reference", "consumers.worker.reference.jobs")],
)
def test_an_extra_brings_all_that_its_modules_need(
    wheel: Path, tmp_path: Path, extra: str, module: str
) -> None:
    folder = installed(wheel, tmp_path, extra)
    done = python(folder, "-c", f"import {module}, sys; assert 'django' not in sys.modules")
    assert done.returncode == 0, done.stderr


def test_the_wheel_holds_the_kit_and_what_amqp_needs_alone(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        names = {name for name in archive.namelist() if not name.startswith("ledger_worker-")}
    around = {Path(name).stem for name in names if not name.startswith("consumers/worker/")}
    assert around == {
        *("__init__", "amqp", "answers", "backoff", "broker", "publisher", "rabbitmq"),
        *("source", "subscription", "topology"),
    }
    kit = {path.relative_to(ROOT).as_posix() for path in KIT.rglob("*.py")}
    assert kit - names == {"consumers/worker/wheel_builder.py"}


def test_the_same_files_give_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    assert (tmp_path / build_wheel(str(tmp_path))).read_bytes() == wheel.read_bytes()
