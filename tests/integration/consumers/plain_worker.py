"""A worker process for tests that signal or kill it; MODEL says how its function behaves."""

import os
import sys
import time

from consumers.worker.command import run
from consumers.worker.job import Job, Result
from tests.integration.consumers.worker_kit import paint

SECONDS = 5.0
HELD_SECONDS = 10.0


def hog(job: Job) -> Result:
    """Hold the interpreter's lock, as an extension that never releases it does."""
    until = time.monotonic() + HELD_SECONDS
    before = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    while time.monotonic() < until:
        pass
    sys.setswitchinterval(before)
    return paint(job)


def fork(job: Job) -> Result:
    """Start a helper that outlives a kill of the worker, as a data loader does."""
    if os.fork() == 0:
        time.sleep(SECONDS * 2)
        os._exit(0)
    return doze(job)


def doze(job: Job) -> Result:
    """Report nothing for a long while."""
    time.sleep(SECONDS)
    return paint(job)


MODELS = {"": paint, "hog": hog, "fork": fork, "doze": doze}

if __name__ == "__main__":
    sys.exit(run({"image_generation": MODELS[os.environ.get("MODEL", "")]}))
