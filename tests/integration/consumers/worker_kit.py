"""Workers of the kit: in the test's own process with everything fast, or as processes."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from consumers.worker.courier import Courier
from consumers.worker.credentials import Credentials
from consumers.worker.desk import Desk
from consumers.worker.job import Job, Result, Work
from consumers.worker.retry import Retry
from consumers.worker.sources import HttpSource
from consumers.worker.worker import Pace, Worker
from tests.integration.consumers.worker_server import SECRET, WORKER_ID, WorkerServer

ROOT = Path(__file__).parents[3]
FAST = Retry(attempts=4, first_seconds=0.01, longest_seconds=0.05)
PACE = Pace(progress=0.05, heartbeat=0.3, grace=0.5, abandon=0.3, tick=0.01)
PLAIN = "tests.integration.consumers.plain_worker"
PICTURE = b"a picture"


def paint(job: Job) -> Result:
    """Do as a model would: read the input, report, return a file."""
    assert job.inputs[0].path.read_bytes() == b"model"
    job.report(50)
    return Result(content=PICTURE, content_type="image/png", metrics={"seconds": 0.5})


class Kit:
    """A worker in this process, with everything fast."""

    def __init__(self, server: WorkerServer, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.stop = threading.Event()
        self.credentials = Credentials(worker_id=WORKER_ID, secret=SECRET)
        self.give_up_seconds = 5.0
        self.pace = PACE

    def run(self, work: Work = paint, *, once: bool = True) -> bool:
        """Run as the command does: a desk of its own, until one task was handled."""
        with self.worker(work) as (worker, source):
            return source.run(worker, self.stop, once=once)

    @contextmanager
    def worker(
        self, work: Work = paint, job_types: Sequence[str] = ("image_generation", "model_training")
    ) -> Iterator[tuple[Worker, HttpSource]]:
        """Make a worker and where it polls, and clear up after them."""
        with (
            closing(Desk(self.folder)) as desk,
            closing(Courier(self.credentials, FAST)) as courier,
        ):
            worker = Worker(
                dict.fromkeys(job_types, work),
                worker_id=WORKER_ID,
                courier=courier,
                desk=desk,
                stop=self.stop,
                pace=self.pace,
                retry=FAST,
            )
            source = HttpSource(
                self.server.url,
                courier=courier,
                desk=desk,
                wait_seconds=1,
                give_up_seconds=self.give_up_seconds,
                retry=FAST,
            )
            with closing(worker):
                yield worker, source

    def outcome(self) -> Mapping[str, object]:
        """Return the data of the only failed callback."""
        (failed,) = self.server.callbacks("failed")
        assert not self.server.callbacks("complete")
        data: Mapping[str, object] = failed.json["data"]
        return data


def start(
    folder: Path, *arguments: str, module: str = "consumers.worker", **environment: str
) -> subprocess.Popen[str]:
    """Start a worker with nothing but this environment."""
    passed = {k: v for k, v in os.environ.items() if k.startswith(("PATH", "COV", "HOME", "LANG"))}
    return subprocess.Popen(
        [sys.executable, "-m", module, "--state-dir", str(folder), *arguments],
        cwd=ROOT,
        env=passed | environment,
        stderr=subprocess.PIPE,
        text=True,
    )


def known(server: WorkerServer) -> dict[str, str]:
    """Return the environment of a worker that knows its server."""
    return {"WORKER_URL": server.url, "WORKER_ID": WORKER_ID, "WORKER_SECRET": SECRET}
