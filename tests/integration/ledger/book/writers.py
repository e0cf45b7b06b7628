"""Many processes that append at random: `python -m ...writers STORY PROCESSES SECONDS FOLDER`.

Each writes what it did into FOLDER as one JSON line an append; ends with 1 on what must not happen.
"""

import json
import os
import random
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import django

if __name__ == "__main__":
    django.setup()

from django.db import DatabaseError

from ledger.book.append import Contended, StaleLoad, append
from ledger.book.rows import NewEvent
from tests import books
from tests.books import person

SHARDS = (3, 4, 5, 6)  # few, so that writers meet
PEOPLE = [person(number, shard=SHARDS[number % len(SHARDS)]) for number in range(12)]
FEW = PEOPLE[:5]


def write_anything(rng: random.Random) -> list[NewEvent]:
    """Return one to twelve events of one shard, now and then more than anybody has."""
    user = rng.choice(PEOPLE)
    if rng.random() < 0.2:
        return [*books.draft(user), *books.transfer(user, rng.choice(PEOPLE[::-1]), 10**9)]
    events: list[NewEvent] = []
    for _ in range(rng.choice((1, 1, 2, 12))):
        events += rng.choice((books.draft, lambda one: books.grant(one, 7)))(user)
    return events


def transfer_both_ways(rng: random.Random) -> list[NewEvent]:
    """Return one to twelve transfers out of one shard, to people of any shard."""
    shard = rng.choice(FEW).bytes[15]
    payers = [user for user in FEW if user.bytes[15] == shard]
    events: list[NewEvent] = []
    for _ in range(rng.choice((1, 2, 5, 12))):
        payer = rng.choice(payers)
        payee = rng.choice([user for user in FEW if user != payer])
        events += books.transfer(payer, payee, rng.randint(1, 60))
    return events


STORIES: dict[str, Callable[[random.Random], list[NewEvent]]] = {
    "anything": write_anything,
    "transfers": transfer_both_ways,
}


def write(story: str, number: int, seconds: float, log: TextIO) -> None:
    """Append until the time is over."""
    rng = random.Random(number)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        events = STORIES[story](rng)
        shard = events[0].event_id.bytes[15] % 16
        line: dict[str, Any] = {"shard": shard}
        try:
            appended = append(shard=shard, outcomes=[], events=events)
        except StaleLoad as refusal:
            line["refused"] = type(refusal).__name__
            if isinstance(refusal, Contended):
                cause: Any = refusal.__cause__
                line["code"] = cause.__cause__.pgcode
        else:
            assert appended is not None
            line |= {"last": appended.position, "ids": [str(event.event_id) for event in events]}
        log.write(json.dumps(line) + "\n")


def run(story: str, processes: int, seconds: float, folder: Path) -> int:
    """Fork the writers and return how many of them failed."""
    children = []
    for number in range(processes):
        child = os.fork()
        if not child:
            try:
                with (folder / f"{number}.jsonl").open("w") as log:
                    write(story, number, seconds, log)
            except (AssertionError, DatabaseError):
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        children.append(child)
    return sum(os.waitpid(child, 0)[1] != 0 for child in children)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4])) and 1)
