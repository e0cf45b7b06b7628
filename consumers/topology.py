"""Every queue of the system, one explicit table (design section 9)."""

from collections.abc import Iterable
from dataclasses import replace

from consumers.broker import Queue

MODEL_TRAINING = "model_training"
IMAGE_GENERATION = "image_generation"
RESULTS = "ledger.results"
COMMANDS = "ledger.commands"
DEAD_SUFFIX = ".dead"
TASK_LEASE_SECONDS = 30.0  # from taking a task to the start that acknowledges it


def with_dead_letters(queue: Queue) -> tuple[Queue, Queue]:
    """Return the dead-letter queue of `queue`, then `queue` pointing at it."""
    dead = Queue(name=queue.name + DEAD_SUFFIX, delivery_limit=None, max_length=1_000_000)
    return dead, replace(queue, dead_letter_queue=dead.name)


def family_queue(family: str | None) -> str:
    """Return the queue of pictures by models of `family`, or by those of none."""
    return f"{IMAGE_GENERATION}.{family}" if family else IMAGE_GENERATION


def topology(families: Iterable[str] = ()) -> tuple[Queue, ...]:
    """Return every queue where models are of these families, or of none."""
    tasks = (MODEL_TRAINING, *map(family_queue, (None, *families)))
    queues = [
        *(Queue(name=one, delivery_limit=10, lease_seconds=TASK_LEASE_SECONDS) for one in tasks),
        Queue(name=RESULTS, delivery_limit=20),
        Queue(name=COMMANDS, delivery_limit=20),
    ]
    return tuple(one for queue in queues for one in with_dead_letters(queue))


TOPOLOGY = topology()
