"""What delivery.py measures, in a process of its own: `python -m benchmarks.messages WHAT ...`.

Prints JSON. The database is that of the environment, the broker that of AMQP_URL.
"""

import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from statistics import median, quantiles
from uuid import UUID

import django

django.setup()

from django.db import connection  # noqa: E402 -- need Django's settings

from benchmarks import story  # noqa: E402
from benchmarks.crowd import ROOT  # noqa: E402
from benchmarks.pairs import interleave  # noqa: E402
from consumers.broker import Delivery  # noqa: E402
from consumers.connect import connect  # noqa: E402
from consumers.relay import Relay  # noqa: E402
from consumers.tasks import task_in  # noqa: E402
from consumers.topology import IMAGE_GENERATION, TOPOLOGY  # noqa: E402
from core.sealing import seal  # noqa: E402
from ledger.domain.events import Sealed  # noqa: E402
from ledger.orders import Order  # noqa: E402
from projections.catalogue import PROJECTORS  # noqa: E402
from projections.checkpoints import lags  # noqa: E402

TASKS = 300
PAYERS = 50
WAIT_SECONDS = 60.0
BATCH = 10  # orders, of two events each
EVENTS_A_SECOND = 500

ARTIST = story.person(0, "artist")


def main() -> int:
    """Measure what the arguments say."""
    what, number = sys.argv[1], float(sys.argv[2])
    people = [story.person(one) for one in range(PAYERS)]
    story.open_wallets(people)
    story.train_styles([ARTIST])
    found = {"relay": relay, "latency": latency, "lag": lag}[what](people, number)
    sys.stdout.write(json.dumps(found))
    return 0


def relay(people: Sequence[UUID], pairs: float) -> dict[str, tuple[float, ...]]:
    """Return tasks a second of the relay, and of one publish after the other, per pair."""
    broker = connect()
    broker.declare(TOPOLOGY)
    ours = Relay(broker)
    drain(ours)

    def relayed() -> float:
        ordered(people, TASKS)
        began = time.perf_counter()
        drain(ours)
        return TASKS / (time.perf_counter() - began)

    def one_by_one() -> float:
        streams = ordered(people, TASKS)
        tasks = [task for stream in streams if (task := task_in(stream))]
        began = time.perf_counter()
        for queue, message in tasks:
            broker.publish(queue, message)
        rate = len(tasks) / (time.perf_counter() - began)
        drain(ours)
        return rate

    found = interleave(relayed, one_by_one, pairs=int(pairs))
    broker.close()
    return {"ours": found.ours, "peer": found.peer}


def latency(people: Sequence[UUID], count: float) -> dict[str, float]:
    """Return milliseconds from an order's commit to its delivery: the median and the p99."""
    seen: dict[str, float] = {}

    def take(deliveries: Sequence[Delivery]) -> None:
        now = time.perf_counter()
        for delivery in deliveries:
            seen.setdefault(delivery.message.id, now)
            delivery.ack()

    committed: dict[str, float] = {}
    broker = connect()
    broker.declare(TOPOLOGY)
    with process("consumers", "--only", "relay"):
        broker.consume([IMAGE_GENERATION], take, prefetch=1)
        for number in range(int(count) + 20):
            (accepted,) = story.accepted([order(people)])
            now = time.perf_counter()
            if number >= 20:  # the first ones wait for the processes
                committed[str(accepted.state.job.task_id)] = now
            elif number == 0:
                await_(lambda: bool(seen))
            time.sleep(random.uniform(0.02, 0.08))
        await_(lambda: committed.keys() <= seen.keys())
    broker.close()
    taken = [1_000 * max(0.0, seen[task] - began) for task, began in committed.items()]
    return {"median": median(taken), "p99": quantiles(taken, n=100)[98]}


def lag(people: Sequence[UUID], seconds: float) -> dict[str, float]:
    """Return seconds that the projections were behind, the p99, and the events a second."""
    samples: list[float] = []
    is_over = threading.Event()

    def sample() -> None:
        while not is_over.wait(0.05):
            samples.append(max((one.seconds for one in lags(PROJECTORS)), default=0.0))
        connection.close()

    with process("projections"):
        await_(
            lambda: bool(lags(PROJECTORS)) and all(not one.positions for one in lags(PROJECTORS))
        )
        sampler, began, written = threading.Thread(target=sample), time.perf_counter(), 0
        sampler.start()
        while (passed := time.perf_counter() - began) < seconds:
            if written > passed * EVENTS_A_SECOND:
                time.sleep(0.005)
                continue
            ordered(people, BATCH)
            written += 2 * BATCH
        is_over.set()
        sampler.join()
    return {"p99": quantiles(samples, n=100)[98], "rate": written / seconds}


def ordered(people: Sequence[UUID], count: int) -> list[str]:
    """Order so many pictures, each shard's in one batch; return their streams."""
    return [one.stream for one in story.accepted([order(people) for _ in range(count)])]


def order(people: Sequence[UUID]) -> Order:
    """Return the order of a picture whose prompt the relay can open."""
    payer = random.choice(people)
    return story.request(payer, ARTIST, prompt_of(payer))


@cache
def prompt_of(payer: UUID) -> Sealed:
    """Return a sealed prompt of the payer's."""
    return Sealed(*seal(payer, "a lighthouse above a quiet sea"))


def drain(one: Relay) -> None:
    """Publish whatever is there."""
    while one.round():
        pass


@contextmanager
def process(*arguments: str) -> Iterator[None]:
    """Run a process of ours meanwhile."""
    started = subprocess.Popen([sys.executable, "manage.py", *arguments], cwd=ROOT)
    try:
        yield
    finally:
        started.terminate()
        started.wait(WAIT_SECONDS)


def await_(is_so: Callable[[], bool]) -> None:
    """Wait until `is_so()`; raises TimeoutError."""
    until = time.monotonic() + WAIT_SECONDS
    while not is_so():
        if time.monotonic() > until:
            raise TimeoutError
        time.sleep(0.01)


if __name__ == "__main__":
    sys.exit(main())
