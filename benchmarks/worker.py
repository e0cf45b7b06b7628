"""One of our working processes: `python -m benchmarks.worker KIND ARGUMENT... NUMBER`."""

import inspect
import json
import os
import random
import sys
from collections import Counter, deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import django
from django.db import connection

django.setup()

from audit.replay import fold  # noqa: E402 -- these need Django's settings
from benchmarks import story  # noqa: E402
from benchmarks.memory import first_events  # noqa: E402
from benchmarks.peers.rounds import RanDry, serve  # noqa: E402
from benchmarks.peers.rows import Inserter, Rows  # noqa: E402
from ledger.book.append import append  # noqa: E402
from ledger.book.load import Loaded, load  # noqa: E402
from ledger.book.read import book, shard_of  # noqa: E402
from ledger.book.rows import NewEvent, Outcome  # noqa: E402
from ledger.desk import Desk, Wanted  # noqa: E402
from ledger.domain.money import available  # noqa: E402
from ledger.orders import Order  # noqa: E402

if TYPE_CHECKING:
    from uuid import UUID

ARTIST = story.person(0, "artist")
MOST_APPENDS_A_SECOND = 1_500  # of one process: so many are prepared
MOST_CAPTURES_A_SECOND = 500
MOST_BATCHES_A_SECOND = 60


class Job(NamedTuple):
    """What a worker does: `prepare` for a round of so many seconds, `work` again and again."""

    work: Callable[[], int]
    prepare: Callable[[float], None] = lambda _seconds: None
    backend: int | None = None  # its session on the server, where it is not Django's


def requests() -> Job:
    """One command a call: order a picture for a random payer."""

    def work() -> int:
        payer = story.person(random.randrange(story.PAYERS))
        return len(story.accepted([story.request(payer, ARTIST)]))

    return Job(work)


def batches() -> Job:
    """Orders for 200 pictures a call, all of one shard."""
    payers = story.payers_by_shard()

    def work() -> int:
        chosen = random.choices(payers[random.randrange(len(payers))], k=story.MOST_ORDERS)
        return len(story.accepted([story.request(payer, ARTIST) for payer in chosen]))

    return Job(work)


def appends() -> Job:
    """The append alone: what `requests` appends, made beforehand."""
    ready: deque[tuple[int, list[Outcome], list[NewEvent]]] = deque()

    def prepare(seconds: float) -> None:
        ready.clear()
        for _ in range(int(MOST_APPENDS_A_SECOND * seconds)):
            payer = story.person(random.randrange(story.PAYERS))
            ready.append(decided(story.request(payer, ARTIST)))

    def work() -> int:
        if not ready:
            raise RanDry
        shard, outcomes, events = ready.popleft()
        appended = append(shard=shard, outcomes=outcomes, events=events)
        return int(appended is not None)

    return Job(work, prepare)


def plain(processes: str, *, number: str) -> Job:
    """The peer of `batches`: the same rows by plain multi-row inserts, as the tables' owner."""
    inserter = Inserter(
        os.environ["DATABASE_OWNER_URL"],
        number=int(number), processes=int(processes), shards=book().shards,
    )  # fmt: skip
    payers = story.payers_by_shard()

    def make(shard: int) -> Rows:
        chosen = random.choices(payers[shard], k=story.MOST_ORDERS)
        return rows_of(shard, [decided(story.request(payer, ARTIST)) for payer in chosen])

    def prepare(seconds: float) -> None:
        inserter.prepare(make, int(MOST_BATCHES_A_SECOND * seconds) + 1)

    return Job(inserter.work, prepare, inserter.connection.info.backend_pid)


def replays(events: str) -> Job:
    """Replay the first events of every shard to balances, so many in all, a replay a call."""
    bounds = first_events(int(events))

    def work() -> int:
        balances = fold(bounds)
        assert balances, "nothing was replayed"
        return sum(bounds.values())

    return Job(work)


def rows_of(shard: int, batch: Sequence[tuple[int, list[Outcome], list[NewEvent]]]) -> Rows:
    """Return the rows that the book would have after appending `batch`."""
    events = [event for _, _, listed in batch for event in listed]
    entries = [
        (number, line, *entry)
        for number, event in enumerate(events)
        for line, entry in enumerate(json.loads(event.entries or "[]"), start=1)
    ]
    changes: Counter[tuple[str, str]] = Counter()
    for _, _, account, colour, amount in entries:
        changes[account, colour] += amount
    return Rows(
        shard=shard,
        commands=len(batch),
        events=[tuple(event) for event in events],
        entries=entries,
        outcomes=[tuple(outcome) for _, listed, _ in batch for outcome in listed],
        balances=[(*place, change) for place, change in sorted(changes.items())],
    )


def captures(artists: str) -> Job:
    """One command a call: complete a generation that was prepared, of one of `artists` artists."""
    ready: deque[UUID] = deque()

    def prepare(seconds: float) -> None:
        ready.clear()
        orders = [
            story.request(
                story.person(random.randrange(story.PAYERS)),
                story.person(random.randrange(int(artists)), "artist"),
            )
            for _ in range(int(MOST_CAPTURES_A_SECOND * seconds))
        ]
        story.in_batches(orders)
        generations = [order.command.generation_id for order in orders]  # type: ignore[attr-defined]
        story.in_batches([story.start(generation) for generation in generations])
        random.shuffle(generations)
        ready.extend(generations)

    def work() -> int:
        if not ready:
            raise RanDry
        return len(story.accepted([story.complete(ready.popleft())]))

    return Job(work, prepare)


def decided(order: Order) -> tuple[int, list[Outcome], list[NewEvent]]:
    """Return what the door would append for `order`, without asking the book."""
    wanted = Wanted([order])
    loaded = Loaded(now=datetime.now(UTC))
    if not any(folded.version for folded in wanted.cached.values()):  # the style, once
        loaded = load(shard=0, keys=[], streams=wanted.streams, accounts=[])
    loaded.balances[available(order.command.user_id)] = {"paid": story.BUDGET}  # type: ignore[attr-defined]
    desk = Desk(wanted, loaded)
    draft = desk.decide(order)
    if draft.refusal:
        raise story.NotAccepted(repr(draft.refusal))
    return shard_of(order.shard_id), desk.outcomes, desk.events


KINDS: dict[str, Callable[..., Job]] = {
    "requests": requests,
    "batches": batches,
    "appends": appends,
    "plain": plain,
    "replays": replays,
    "captures": captures,
}


def main(kind: str, *arguments: str) -> None:
    """Work as KIND until the input ends; the last argument is this worker's number."""
    random.seed()
    make = KINDS[kind]
    knows = inspect.signature(make).parameters
    job = make(*arguments[:-1], **{"number": arguments[-1]} if "number" in knows else {})
    serve(job.work, backend=job.backend or backend_pid(), prepare=job.prepare)


def backend_pid() -> int:
    """Return the server's process of Django's session."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_backend_pid()")
        return int(cursor.fetchone()[0])


if __name__ == "__main__":
    main(*sys.argv[1:])
