"""`python -m benchmarks.peers.notifications set-up|work EVENTS [NUMBER]`."""

import os
import random
import sys
from datetime import UTC, datetime
from uuid import UUID, uuid4

from eventsourcing.system import NotificationLogReader

from benchmarks.peers.notifications.domain import SHA256, Generation, Generations
from benchmarks.peers.rounds import serve

EVENTS_OF_ONE = 5
PAGE = 1_000
SAVED_AT_ONCE = 200


def application() -> Generations:
    """Return the application on the database of this process."""
    return Generations(env={"PERSISTENCE_MODULE": "eventsourcing.postgres", **connection()})


def connection() -> dict[str, str]:
    """Return pyeventsourcing's variables for BENCH_*, which the parent has set."""
    names = ("DBNAME", "HOST", "PORT", "USER", "PASSWORD")
    return {f"POSTGRES_{name}": os.environ.get(f"BENCH_{name}", "") for name in names}


def set_up(events: int) -> None:
    """Store so many events of whole generations."""
    app = application()
    people = [uuid4() for _ in range(1_000)]
    for first in range(0, events // EVENTS_OF_ONE, SAVED_AT_ONCE):
        count = min(SAVED_AT_ONCE, events // EVENTS_OF_ONE - first)
        app.save(*(generation(random.choice(people)) for _ in range(count)))
    app.close()


def generation(user: UUID) -> Generation:
    """Return a generation that was paid, as ours is."""
    now, artist, style, task = datetime.now(UTC), uuid4(), uuid4(), uuid4()
    one = Generation(
        user_id=user, style_id=style, artist_id=artist, task_id=task, prompt="Yk3v" * 48,
        size="512x512", steps=50, seed=7, model_key=f"models/{artist}", model_sha256=SHA256,
        price=100, fee_bps=1000, start_by_at=now, deadline_at=now,
    )  # fmt: skip
    one.hold(
        user_id=user,
        amount=100,
        entries=[[f"user/{user}/available", "paid", -100], [f"user/{user}/held", "paid", 100]],
    )
    one.start(user_id=user, task_id=task, claim=task, sequence=1, leased_until_at=now)
    one.complete(
        user_id=user, style_id=style, artist_id=artist, task_id=task, claim=task,
        key=f"results/{task}/{SHA256}", sha256=SHA256, size_bytes=400_000,
        content_type="image/png", width=512, height=512,
    )  # fmt: skip
    one.capture(
        user_id=user, artist_id=artist, amount=100, refundable_until_at=now,
        entries=[
            [f"user/{user}/held", "paid", -100],
            [f"artist/{artist}/pending", "paid", 90],
            ["platform/revenue", "paid", 10],
        ],
    )  # fmt: skip
    return one


def work(events: int) -> None:
    """Read and decode the whole log, a log a call."""
    app = application()
    reader = NotificationLogReader(app.notification_log, section_size=PAGE)

    def one() -> int:
        decoded = 0
        for page in reader.select(start=1):
            for notification in page:
                app.mapper.to_domain_event(notification)
            decoded += len(page)
        assert decoded == events, f"{decoded} of {events}"
        return decoded

    with app.recorder.datastore.get_connection() as session:
        backend = session.info.backend_pid
    serve(one, backend=backend)


if __name__ == "__main__":
    {"set-up": set_up, "work": work}[sys.argv[1]](int(sys.argv[2]))
