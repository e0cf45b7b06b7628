"""What workers report over HTTP: who may, what they are told, and what moves (section 9)."""

import json
from typing import Any
from uuid import UUID

import pytest
from pytest_django import Settings

from api import worker_auth
from core import queue
from core.ids import new_id
from core.workers import revoke_worker, rotate_secret
from ledger.book import read
from tests.callers import call, code
from tests.http_workers import HttpWorker
from tests.jobs import (
    announced,
    balance,
    drafted,
    give,
    granted,
    model,
    order_picture,
    picture,
    trained_style,
    training_of,
)

pytestmark = pytest.mark.usefixtures("database")

STARTED = "/api/webhooks/generation/started"
OK = {"status": "ok", "disposition": "applied", "cancel": False}
TOKEN = {"Authorization": "Bearer t0ken"}


@pytest.fixture
def user() -> UUID:
    return new_id()


@pytest.fixture
def worker(user: UUID) -> HttpWorker:
    """A worker that holds the task of a picture which was ordered and is paid by a hold."""
    order = order_picture(user, trained_style(new_id()))
    give(granted(user, 150), order)
    return HttpWorker("generation", order.task_id)


def wait_in_queue(name: str, task: UUID) -> None:
    """Let the task's message wait in its queue, as the relay publishes it."""
    queue.declare(name, delivery_limit=10, max_length=10, lease_seconds=60)
    message = queue.Task(queue=name, id=str(task), type=name, body=b"{}", headers={})
    queue.publish([message])


class TestTheWay:
    def test_a_picture_is_paid_when_it_is_stored_and_checked(
        self, worker: HttpWorker, user: UUID
    ) -> None:
        """G6."""
        assert worker.post("started", {"worker": "kit"}).json() == OK
        assert worker.post("progress", {"percent": 40}).json() == OK
        assert worker.post("progress", {"percent": 80}, method="PATCH").json() == OK
        worker.upload(picture())

        response = worker.post("complete", announced(picture()))

        assert (response.status_code, response.json()) == (200, OK)
        shard, position = response["Ledger-Position"].split("-")
        assert int(position) == read.heads()[int(shard)].position
        assert balance(user) == (50, 0)

    def test_a_training_gives_its_style_a_model(self) -> None:
        artist = new_id()
        style_id, drafting = drafted(artist)
        request = training_of(style_id, artist)
        give(*drafting, granted(artist, 100), request)
        worker = HttpWorker("training", request.task_id)
        worker.post("started")
        worker.upload(model())

        assert worker.post("complete", announced(model())).json() == OK
        assert balance(artist) == (0, 0)

    def test_a_failure_gives_the_hold_back(self, worker: HttpWorker, user: UUID) -> None:
        """G5."""
        worker.post("started")

        assert worker.post("failed", {"code": "moderation"}).json() == OK
        assert balance(user) == (150, 0)

    def test_a_missing_result_is_rejected_with_a_code(self, worker: HttpWorker, user: UUID) -> None:
        """G6."""
        worker.post("started")

        response = worker.post("complete", announced(picture()))

        assert (response.status_code, response.json()) == (
            200,
            OK | {"disposition": "rejected", "code": "result_missing"},
        )
        assert balance(user) == (50, 100)

    def test_a_path_may_end_in_a_slash(self, worker: HttpWorker) -> None:
        assert worker.post("started", path=f"{STARTED}/").json() == OK

    def test_a_callback_sent_again_is_a_duplicate(self, worker: HttpWorker) -> None:
        """G7."""
        body = worker.body()
        first = worker.send_raw(STARTED, body, message_id="msg_1")
        again = worker.send_raw(STARTED, body, message_id="msg_1")

        assert first.json() == OK
        assert again.json() == OK | {"disposition": "duplicate"}
        assert "Ledger-Position" not in again

    def test_an_id_used_for_another_body_is_refused(self, worker: HttpWorker) -> None:
        worker.post("started", message_id="msg_1")

        response = worker.post("started", message_id="msg_1")

        assert code(response) == (409, "callback_id_reused")


class TestProof:
    def refused(self, worker: HttpWorker, headers: Any, raw: bytes | None = None) -> None:
        before = read.heads()
        raw = json.dumps(worker.body()).encode() if raw is None else raw
        response = call("POST", STARTED, raw, headers=headers)
        assert code(response) == (401, "worker_not_proven")
        assert read.heads() == before

    def test_a_forged_signature_is_refused(self, worker: HttpWorker) -> None:
        self.refused(worker, worker.signed(b"another body"))

    def test_no_proof_at_all_is_refused(self, worker: HttpWorker) -> None:
        self.refused(worker, {})

    def test_another_workers_secret_is_refused(self, worker: HttpWorker) -> None:
        raw = json.dumps(worker.body()).encode()
        self.refused(worker, worker.signed(raw, secret=HttpWorker().secret), raw)

    @pytest.mark.parametrize("age_seconds", [301, -302])
    def test_an_old_or_future_signature_is_refused(
        self, worker: HttpWorker, age_seconds: int
    ) -> None:
        raw = json.dumps(worker.body()).encode()
        self.refused(worker, worker.signed(raw, age_seconds=age_seconds), raw)

    @pytest.mark.parametrize("worker_id", ["", "x", "0329bb9b-f18f-4d8e-88f1-384b9bb483ef"])
    def test_an_unknown_worker_is_refused(self, worker: HttpWorker, worker_id: str) -> None:
        raw = json.dumps(worker.body()).encode()
        self.refused(worker, worker.signed(raw) | {"X-Worker-Id": worker_id}, raw)

    def test_a_revoked_worker_is_refused(self, worker: HttpWorker) -> None:
        raw = json.dumps(worker.body()).encode()
        revoke_worker(worker.id)
        self.refused(worker, worker.signed(raw), raw)

    def test_both_secrets_are_good_during_a_rotation(self, worker: HttpWorker) -> None:
        second = rotate_secret(worker.id)

        assert worker.post("started").json() == OK
        assert worker.post("progress", {"percent": 1}, secret=second).json() == OK

    def test_the_shared_token_is_good_where_it_is_set(
        self, worker: HttpWorker, settings: Settings
    ) -> None:
        settings.INTERNAL_API_TOKEN = "t0ken"

        assert worker.post("started", headers=TOKEN).json() == OK
        assert code(worker.post("started", headers={"Authorization": "Bearer no"})) == (
            401,
            "worker_not_proven",
        )

    @pytest.mark.parametrize("sent", ["Bearer ", "Bearer", "", "Bearer t0ken"])
    def test_an_empty_shared_token_lets_nobody_in(
        self, worker: HttpWorker, settings: Settings, sent: str
    ) -> None:
        settings.INTERNAL_API_TOKEN = ""
        self.refused(worker, {"Authorization": sent})

    def test_under_the_token_a_callback_may_have_an_id(
        self, worker: HttpWorker, settings: Settings
    ) -> None:
        settings.INTERNAL_API_TOKEN = "t0ken"
        headers = TOKEN | {"webhook-id": "msg_1"}
        worker.post("started", headers=headers)

        assert code(worker.post("started", headers=headers)) == (409, "callback_id_reused")


class TestRefusals:
    def test_an_unknown_task(self) -> None:
        assert code(HttpWorker().post("started")) == (404, "task_not_found")

    def test_another_workers_task(self, worker: HttpWorker, user: UUID) -> None:
        worker.post("started")
        thief = HttpWorker("generation", worker.task)
        thief.claim = worker.claim
        thief.upload(picture())

        assert code(thief.post("complete", announced(picture()))) == (403, "foreign_task")
        assert balance(user) == (50, 100)

    def test_a_worker_of_the_other_kind_of_job(self, worker: HttpWorker) -> None:
        trainer = HttpWorker("generation", worker.task, job_types=["model_training"])

        assert code(trainer.post("started")) == (403, "job_type_not_allowed")

    def test_a_body_that_is_no_json(self, worker: HttpWorker) -> None:
        assert code(worker.send_raw(STARTED, b"{")) == (400, "malformed_json")

    def test_a_body_of_another_type(self, worker: HttpWorker) -> None:
        raw = json.dumps(worker.body()).encode()
        headers = worker.signed(raw) | {"Content-Type": "text/plain"}

        assert code(worker.send_raw(STARTED, raw, headers=headers)) == (
            415,
            "unsupported_media_type",
        )

    @pytest.mark.parametrize("raw", [b"[]", b"{}", b"null", b'{"task_id": "x"}', b"\xff", b""])
    def test_a_body_that_is_no_callback(self, worker: HttpWorker, raw: bytes) -> None:
        assert worker.send_raw(STARTED, raw).status_code in {400, 401, 422}

    def test_a_malformed_callback_says_which_field(self, worker: HttpWorker) -> None:
        response = worker.post("progress", {"percent": "50"})

        assert code(response) == (422, "malformed_callback")
        assert response.json()["error"]["details"] == {"field": "percent"}

    def test_a_wild_callback_id(self, worker: HttpWorker, settings: Settings) -> None:
        settings.INTERNAL_API_TOKEN = "t0ken"
        for wild in ("", "a b", "x" * 256):
            response = worker.post("started", headers=TOKEN | {"webhook-id": wild})
            assert code(response) == (422, "malformed_callback")

    def test_an_oversized_body(self, worker: HttpWorker, monkeypatch: pytest.MonkeyPatch) -> None:
        filler = "x" * worker_auth.MAX_BODY_BYTES

        assert code(worker.post("started", {"worker": filler})) == (413, "payload_too_large")

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", STARTED),
            ("PATCH", STARTED),
            ("PATCH", "/api/webhooks/generation/complete"),
            ("PUT", "/api/webhooks/training/progress"),
        ],
    )
    def test_another_method(self, worker: HttpWorker, method: str, path: str) -> None:
        response = worker.send_raw(path, worker.body(), method=method)

        assert code(response) == (405, "method_not_allowed")

    @pytest.mark.parametrize("path", ["payment/started", "generation/paused", "training/"])
    def test_another_path(self, worker: HttpWorker, path: str) -> None:
        assert code(worker.send_raw(f"/api/webhooks/{path}", {})) == (404, "not_found")

    def test_in_korean(self, worker: HttpWorker) -> None:
        response = call("POST", STARTED, {}, headers={"Accept-Language": "ko"})

        assert response.json()["error"]["message"].startswith("작업자의 서명")


class TestDeliveries:
    """A message leaves its queue when its task was started, or when nobody needs it."""

    @pytest.fixture
    def waiting(self, worker: HttpWorker) -> HttpWorker:
        wait_in_queue("image_generation", worker.task)
        return worker

    def is_waiting(self, worker: HttpWorker) -> bool:
        return queue.ack("image_generation", message_id=str(worker.task))

    def test_a_task_that_was_started_is_not_delivered_again(self, waiting: HttpWorker) -> None:
        waiting.post("started", changes={"task_id": str(waiting.task).upper()})

        assert not self.is_waiting(waiting)

    def test_a_start_that_was_refused_leaves_the_task_for_others(self, waiting: HttpWorker) -> None:
        waiting.post("started", changes={"sequence": "one"})

        assert self.is_waiting(waiting)

    def test_a_task_in_the_hands_of_another_claim_is_not_delivered_again(
        self, waiting: HttpWorker
    ) -> None:
        """The answer to the first start was lost, or its worker died before the acknowledgement."""
        other = HttpWorker("generation", waiting.task)
        other.post("started")
        wait_in_queue("image_generation", waiting.task)

        assert waiting.post("started").json()["disposition"] == "stale"
        assert not self.is_waiting(waiting)

    def test_a_task_of_a_closed_job_is_not_delivered_again(self, waiting: HttpWorker) -> None:
        waiting.post("started")
        waiting.post("failed", {"code": "moderation"})
        wait_in_queue("image_generation", waiting.task)

        assert waiting.post("progress", {"percent": 9}).json()["disposition"] == "job_closed"
        assert not self.is_waiting(waiting)

    def test_progress_settles_no_delivery(self, waiting: HttpWorker) -> None:
        waiting.post("started")
        wait_in_queue("image_generation", waiting.task)
        waiting.post("progress", {"percent": 9})

        assert self.is_waiting(waiting)
