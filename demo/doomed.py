"""`python -m demo.doomed`: a worker of the kit that begins a picture and never ends it."""

import sys
import time

from consumers.worker.command import run
from consumers.worker.job import Job, Result


def stall(job: Job) -> Result:
    """Report some progress and then only heartbeats, until somebody kills the process."""
    while True:
        job.report(40)
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(run({"image_generation": stall}))
