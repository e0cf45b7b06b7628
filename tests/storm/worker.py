"""A worker with the real kit whose model is quick: a gradient, or a model of four bytes.

The reference worker's pictures take seconds; here two thousand jobs are to fail and succeed.
"""

import random
import struct
import sys
import time

from consumers.worker.command import run
from consumers.worker.job import Job, JobFailed, Result
from tests.pictures import picture


def paint(job: Job) -> Result:
    """Take a moment, fail now and then, and return a picture of the size that was asked for."""
    chance = _begin(job)
    if chance.randrange(100) < 2:
        raise JobFailed("moderation", "This prompt is not painted.", retryable=False)
    job.report(50)
    time.sleep(chance.uniform(0.0, 0.2))
    width, height = map(int, job.data["parameters"]["size"].split("x"))
    return Result(
        content=picture(chance.randrange(50), size=(width, height)), content_type="image/png"
    )


def train(job: Job) -> Result:
    """Save a checkpoint, fail now and then, and return a model."""
    chance = _begin(job)
    for epoch in range(1, 4):
        job.save_checkpoint(epoch, lambda: b"halfway")
        job.report(25 * epoch, current_epoch=epoch, total_epochs=4)
        time.sleep(chance.uniform(0.0, 0.2))
    header = b'{"w":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}'
    content = struct.pack("<Q", len(header)) + header + chance.randbytes(4)
    return Result(content=content, content_type="application/octet-stream")


def _begin(job: Job) -> random.Random:
    chance = random.Random(job.task_id)
    if chance.randrange(100) < 5:
        raise JobFailed("out_of_memory", "The graphics card is full.", retryable=True)
    return chance


if __name__ == "__main__":
    sys.exit(run({"image_generation": paint, "model_training": train}))
