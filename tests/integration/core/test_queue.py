"""The embedded task queue on real PostgreSQL, as ledger_app."""

import threading
import time
from collections.abc import Iterator

import pytest
from django.db import IntegrityError, connection, transaction

from core import queue
from tests.databases import Database

pytestmark = pytest.mark.usefixtures("work")


@pytest.fixture
def work(database: Database) -> None:
    """Declare a queue whose work may fail once, and which leases for half a second."""
    queue.declare("dead", delivery_limit=None, max_length=100, lease_seconds=0.5)
    queue.declare(
        "work", delivery_limit=1, max_length=3, lease_seconds=0.5, dead_letter_queue="dead"
    )
    queue.declare("bare", delivery_limit=0, max_length=100, lease_seconds=0.5)


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Leave no connection behind."""
    yield
    connection.close()


def task(id_: str = "a", name: str = "work", **headers: str | int) -> queue.Task:
    """Return a task to publish."""
    return queue.Task(queue=name, id=id_, type="t", body=b"\x00\xff", headers=headers)


def ids(name: str, limit: int = 10, wait_seconds: float = 0.0) -> list[str]:
    """Take from one queue and return the ids."""
    return [one.id for one in queue.take([name], limit=limit, wait_seconds=wait_seconds)]


def test_tasks_are_taken_in_the_order_of_their_publishing_over_all_queues() -> None:
    queue.publish([task("1"), task("2", "bare"), task("3")])
    queue.publish([task("4", "bare")])
    taken = queue.take(["work", "bare"], limit=3)
    assert [(one.id, one.queue) for one in taken] == [("1", "work"), ("2", "bare"), ("3", "work")]
    assert taken[0].body == b"\x00\xff"


def test_a_task_is_queued_once_while_it_waits_and_again_after_it_is_gone() -> None:
    assert queue.publish([task("1"), task("1")]) == [queue.Published.QUEUED] * 2
    queue.publish([task("1")])
    assert ids("work") == ["1"]
    assert queue.ack("work", message_id="1")
    assert ids("work") == []
    queue.publish([task("1")])
    assert ids("work") == ["1"]


def test_one_id_may_wait_in_two_queues() -> None:
    queue.publish([task("1"), task("1", "bare")])
    assert len(queue.take(["work", "bare"], limit=9)) == 2


def test_a_full_queue_takes_what_it_has_room_for() -> None:
    told = queue.publish([task(str(number)) for number in range(5)] + [task("x", "bare")])
    assert [one.value for one in told] == ["queued"] * 3 + ["full"] * 2 + ["queued"]
    assert queue.publish([task("y")]) == [queue.Published.FULL]


def test_an_undeclared_queue_is_missing() -> None:
    assert queue.publish([task(name="nowhere")]) == [queue.Published.MISSING]
    assert queue.missing(["work", "nowhere"]) == ["nowhere"]
    assert ids("nowhere") == []


def test_publishing_nothing_is_nothing() -> None:
    assert queue.publish([]) == []


def test_declaring_again_changes_the_settings() -> None:
    queue.declare("work", delivery_limit=1, max_length=1, lease_seconds=0.5)
    told = queue.publish([task("1"), task("2")])
    assert told == [queue.Published.QUEUED, queue.Published.FULL]


def test_a_taken_task_is_hidden_until_its_lease_ends_and_then_counts_as_failed() -> None:
    queue.publish([task()])
    (first,) = queue.take(["work"])
    assert ids("work") == []
    (second,) = queue.take(["work"], wait_seconds=3)
    assert (first.deliveries, second.deliveries) == (1, 2)
    assert first.receipt != second.receipt


def test_over_the_limit_a_task_moves_to_the_dead_letters() -> None:
    queue.publish([task(kept="yes")])
    for _ in range(2):
        (taken,) = queue.take(["work"])
        assert queue.requeue("work", taken.id, receipt=taken.receipt)
    assert ids("work") == []
    (dead,) = queue.take(["dead"])
    assert dead.headers == {"kept": "yes", "dead-reason": "delivery_limit", "dead-queue": "work"}
    assert dead.deliveries == 1


def test_a_dead_letter_replaces_the_one_of_the_same_id() -> None:
    for reason in ("first", "second"):
        queue.publish([task()])
        assert queue.dead_letter("work", "a", reason=reason)
    queue.publish([task()])
    (dead,) = queue.take(["dead"])
    assert dead.headers["dead-reason"] == "second"


def test_exhausted_work_replaces_the_dead_letter_of_the_same_id() -> None:
    queue.publish([task("a"), task("a", "dead")])
    for _ in range(2):
        assert ids("work") == ["a"]
        queue.requeue("work", "a")
    assert ids("work") == []
    (dead,) = queue.take(["dead"])
    assert dead.headers["dead-reason"] == "delivery_limit"


def test_without_a_dead_letter_queue_exhausted_and_dead_work_is_dropped() -> None:
    queue.publish([task("1", "bare"), task("2", "bare")])
    assert ids("bare", limit=1) == ["1"]
    queue.requeue("bare", "1")
    assert queue.dead_letter("bare", "2", reason="bad")
    assert ids("bare") == []
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM task_message")
        assert cursor.fetchone() == (0,)


def test_deferring_does_not_count_and_hides_for_the_delay() -> None:
    queue.publish([task()])
    for _ in range(4):
        (taken,) = queue.take(["work"])
        assert taken.deliveries == 1
        assert queue.defer("work", "a", receipt=taken.receipt)
    (taken,) = queue.take(["work"])
    queue.defer("work", "a", delay_seconds=0.3)
    assert ids("work") == []
    assert ids("work", wait_seconds=3) == ["a"]


def test_who_lost_its_lease_disturbs_nobody() -> None:
    queue.publish([task()])
    (old,) = queue.take(["work"])
    (new,) = queue.take(["work"], wait_seconds=3)
    assert not queue.requeue("work", "a", receipt=old.receipt)
    assert not queue.defer("work", "a", receipt=old.receipt)
    assert not queue.dead_letter("work", "a", reason="late", receipt=old.receipt)
    assert not queue.ack("work", message_id="a", receipt=old.receipt)
    assert queue.ack("work", message_id="a", receipt=new.receipt)


def test_work_that_is_done_is_acknowledged_by_its_id_whoever_holds_it() -> None:
    queue.publish([task()])
    queue.take(["work"])
    assert queue.ack("work", message_id="a")
    assert not queue.ack("work", message_id="a")


def test_waiting_ends_when_a_task_comes() -> None:
    def publish() -> None:
        time.sleep(0.3)
        queue.publish([task()])
        connection.close()

    thread = threading.Thread(target=publish)
    thread.start()
    before = time.monotonic()
    assert ids("work", wait_seconds=10) == ["a"]
    assert time.monotonic() - before < 2
    thread.join()


def test_waiting_ends_with_the_time() -> None:
    before = time.monotonic()
    assert ids("work", wait_seconds=0.25) == []
    assert 0.2 < time.monotonic() - before < 1.5


def test_many_takers_share_without_waiting_for_each_other() -> None:
    names = [f"{number:03}" for number in range(60)]
    queue.publish([task(name, "bare") for name in names])
    taken: list[str] = []

    def take() -> None:
        while got := ids("bare", limit=7):
            taken.extend(got)
        connection.close()

    threads = [threading.Thread(target=take) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == names


def test_the_queue_refuses_to_work_inside_a_transaction() -> None:
    with transaction.atomic(), pytest.raises(RuntimeError, match="transaction"):
        queue.take(["work"])


def test_settings_without_sense_are_refused_by_the_database() -> None:
    with pytest.raises(IntegrityError, match="delivery_limit"):
        queue.declare("odd", delivery_limit=-1, max_length=1, lease_seconds=1)


def test_a_wait_ends_when_nobody_is_there_any_more() -> None:
    gone = threading.Event()
    threading.Timer(0.1, gone.set).start()
    begun = time.monotonic()
    assert queue.take(["image_generation"], wait_seconds=15, until=gone) == []
    assert time.monotonic() - begun < 5
