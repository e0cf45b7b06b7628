"""Workers take tasks from the embedded queue by long poll (design section 9)."""

import json
import threading
import time
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, connections
from pytest_django import Settings

from api import worker_tasks
from core import queue
from core.ids import new_id
from tests.callers import call, code, faults
from tests.http_workers import HttpWorker
from tests.jobs import give, granted, order_picture, trained_style

pytestmark = pytest.mark.usefixtures("database")

GENERATION, TRAINING = "image_generation", "model_training"
TASKS = "/api/worker/tasks/"


@pytest.fixture(autouse=True)
def _queues(database: object) -> None:
    for name in (GENERATION, TRAINING):
        queue.declare(name, delivery_limit=10, max_length=10, lease_seconds=60)


@pytest.fixture
def worker() -> HttpWorker:
    return HttpWorker()


def publish(name: str = GENERATION, task: UUID | None = None, body: bytes | None = None) -> str:
    task_id = str(task or uuid4())
    content = json.dumps({"task_id": task_id, "type": name, "data": {"prompt": "여우 🦊"}}).encode()
    message = queue.Task(
        queue=name, id=task_id, type=name, body=content if body is None else body, headers={}
    )
    assert queue.publish([message]) == [queue.Published.QUEUED]
    return task_id


def taken(response: Any) -> str | None:
    """Return the id of the task that was handed out, None for none."""
    assert response.status_code == 200, response.content
    task = response.json()["task"]
    return task and str(task["task_id"])


def test_a_task_comes_as_it_was_published(worker: HttpWorker) -> None:
    task_id = publish()

    assert worker.poll(job_types=[GENERATION], wait_seconds=5, claim=str(uuid4())).json() == {
        "task": {"task_id": task_id, "type": GENERATION, "data": {"prompt": "여우 🦊"}}
    }


def test_no_task_is_null(worker: HttpWorker) -> None:
    assert worker.poll().json() == {"task": None}


def test_the_oldest_task_comes_first_and_each_goes_to_one_worker(worker: HttpWorker) -> None:
    published = [publish(), publish(TRAINING), publish()]

    assert [taken(one.poll()) for one in (worker, HttpWorker(), worker)] == published
    assert taken(worker.poll()) is None


def test_a_poll_waits_for_a_task(worker: HttpWorker) -> None:
    def publish_later() -> None:
        time.sleep(0.3)
        publish()
        connections.close_all()

    thread = threading.Thread(target=publish_later)
    thread.start()
    began = time.monotonic()
    task_id = taken(worker.poll(wait_seconds=20))
    thread.join()

    assert task_id is not None
    assert 0.2 < time.monotonic() - began < 10


def test_a_poll_waits_no_longer_than_asked(worker: HttpWorker) -> None:
    began = time.monotonic()

    assert taken(worker.poll(wait_seconds=1)) is None
    assert 1 <= time.monotonic() - began < 10


def test_a_worker_that_dies_before_it_starts_leaves_its_task_to_another(
    worker: HttpWorker,
) -> None:
    queue.declare(GENERATION, delivery_limit=10, max_length=10, lease_seconds=0.5)
    task_id = publish()
    taken(worker.poll())

    assert taken(HttpWorker().poll()) is None
    assert taken(HttpWorker().poll(wait_seconds=5)) == task_id


def test_a_task_that_was_started_is_not_delivered_again() -> None:
    user = new_id()
    order = order_picture(user, trained_style(new_id()))
    give(granted(user, 100), order)
    worker = HttpWorker("generation", order.task_id)
    queue.declare(GENERATION, delivery_limit=10, max_length=10, lease_seconds=0.1)
    assert taken(worker.poll()) is None
    task_id = publish(task=order.task_id)
    assert taken(worker.poll(wait_seconds=1)) == task_id

    worker.post("started")

    assert taken(worker.poll(wait_seconds=1)) is None


class TestJobTypes:
    def test_only_the_types_that_were_asked_for_come(self, worker: HttpWorker) -> None:
        publish(TRAINING)

        assert taken(worker.poll(job_types=[GENERATION])) is None
        assert taken(worker.poll(job_types=[TRAINING])) is not None

    def test_a_worker_gets_pictures_of_its_models_family_alone(
        self, worker: HttpWorker, settings: Settings
    ) -> None:
        settings.MODEL_FAMILIES = ["flux"]
        queue.declare("image_generation.flux", delivery_limit=9, max_length=9, lease_seconds=60)
        plain, flux, training = publish(), publish("image_generation.flux"), publish(TRAINING)

        assert [taken(worker.poll(family="flux")) for _ in range(3)] == [flux, training, None]
        assert taken(worker.poll()) == plain
        assert faults(worker.poll(family="sdxl")) == {"family": ["unknown_family"]}

    def test_a_worker_gets_only_what_it_may_take(self) -> None:
        painter = HttpWorker(job_types=[GENERATION])
        publish(TRAINING)

        assert taken(painter.poll(job_types=[TRAINING, GENERATION])) is None
        assert code(painter.poll(job_types=[TRAINING])) == (403, "job_type_not_allowed")

    def test_a_worker_without_types_may_take_all(self) -> None:
        anything = HttpWorker(job_types=[])
        publish(TRAINING)

        assert taken(anything.poll()) is not None

    def test_the_shared_token_may_take_all(self, settings: Settings) -> None:
        settings.INTERNAL_API_TOKEN = "t0ken"
        publish(TRAINING)

        assert taken(call("POST", TASKS, {}, headers={"Authorization": "Bearer t0ken"}))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"job_types": ["payments"]}, "job_types.0"),
        ({"job_types": []}, "job_types"),
        ({"job_types": "image_generation"}, "job_types"),
        ({"wait_seconds": 21}, "wait_seconds"),
        ({"wait_seconds": -1}, "wait_seconds"),
        ({"wait_seconds": "5"}, "wait_seconds"),
        ({"claim": "x"}, "claim"),
    ],
)
def test_a_poll_of_another_form_is_refused(
    worker: HttpWorker, body: dict[str, Any], field: str
) -> None:
    publish()

    assert list(faults(worker.poll(**body))) == [field]
    assert taken(worker.poll()) is not None


def test_a_poll_needs_proof() -> None:
    assert code(call("POST", TASKS, {})) == (401, "worker_not_proven")


def test_where_too_many_wait_the_answer_comes_at_once(
    worker: HttpWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The threads of the server are not all spent on waiting."""
    seats = threading.BoundedSemaphore(1)
    monkeypatch.setattr(worker_tasks, "_seats", seats)
    seats.acquire()
    began = time.monotonic()

    assert taken(worker.poll(wait_seconds=20)) is None
    task_id = publish()
    assert taken(worker.poll(wait_seconds=20)) == task_id
    assert time.monotonic() - began < 10
    seats.release()
    assert taken(worker.poll(wait_seconds=0)) is None
    assert seats.acquire(blocking=False)  # a poll gives its seat back


def test_what_is_no_json_goes_to_the_dead_letters(worker: HttpWorker) -> None:
    queue.declare("dead", delivery_limit=None, max_length=10, lease_seconds=60)
    queue.declare(
        GENERATION, delivery_limit=10, max_length=10, lease_seconds=60, dead_letter_queue="dead"
    )
    task_id = publish(body=b"\xff")

    assert taken(worker.poll()) is None
    (dead,) = queue.take(["dead"])
    assert (dead.id, dead.headers["dead-reason"]) == (task_id, "malformed")
    assert connection.connection.closed == 0
