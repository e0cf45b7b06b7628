"""The kept rows of the seed guide, run through the API (docs/reference/seed-guide.md)."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client, override_settings

from consumers.embedded import EmbeddedBroker
from consumers.relay import Relay
from consumers.topology import TOPOLOGY
from core import queue
from core.ids import task_id
from core.models import Role
from projections.follow import catch_up
from tests.callers import Caller, call, code, faults
from tests.http_workers import HttpWorker
from tests.jobs import announced, give, granted, state_of, trained_style
from tests.jobs import picture as result
from tests.pictures import picture

People = Callable[..., Caller]
ROWS = Path(__file__).resolve().parents[2] / "docs" / "reference" / "seed-guide.md"
STYLE = {"name": "Ink", "description": "Black on white"}


@pytest.fixture
def ada(person: People) -> Caller:
    return person("ada", Role.ARTIST)


@pytest.fixture
def ben(person: People) -> Caller:
    return person("ben")


def key() -> dict[str, dict[str, str]]:
    return {"headers": {"Idempotency-Key": str(uuid4())}}


def illustrated(ada: Caller, images: int = 10, **changes: Any) -> dict[str, Any]:
    """Draft a style with pictures."""
    files = [SimpleUploadedFile(f"{n}.png", picture(n)) for n in range(images)]
    headers = {"Authorization": f"Bearer {ada.key}"}
    form = STYLE | {"training_images": files} | changes
    response = Client().post("/api/styles/", form, headers=headers)
    assert response.status_code == 201, response.content
    style: dict[str, Any] = response.json()
    return style


def train(ada: Caller, style: dict[str, Any]) -> Any:
    return ada("POST", f"/api/styles/{style['id']}/train/", {}, **key())


def order(ben: Caller, style_id: object, **changes: Any) -> Any:
    body = {"style_id": str(style_id), "prompt": "a beautiful sunset"} | changes
    return ben("POST", "/api/generations/", body, **key())


def status_of(ada: Caller, style: dict[str, Any]) -> str:
    catch_up()
    return str(ada("GET", f"/api/styles/{style['id']}/").json()["training_status"])


def test_every_kept_row_names_a_test_that_exists() -> None:
    rows = [line for line in ROWS.read_text().splitlines() if line.startswith("| ")][1:]
    kept = [row for row in rows if "| kept |" in row]
    named = re.findall(r"`(test_\w+)`", "\n".join(kept))
    assert set(named) <= set(globals())
    assert len(rows) > 40


def test_a_style_has_the_guides_fields(ada: Caller) -> None:
    style = ada("POST", "/api/styles/", STYLE | {"generation_cost_tokens": 150}).json()
    assert {"id", "artist_id", "created_at", "updated_at"} <= set(style)
    assert (style["name"], style["description"]) == ("Ink", "Black on white")
    assert (style["generation_cost_tokens"], style["artist_name"]) == (150, "ada")


def test_a_style_costs_100_tokens_unless_told_otherwise(ada: Caller) -> None:
    assert ada("POST", "/api/styles/", STYLE).json()["generation_cost_tokens"] == 100


@pytest.mark.parametrize("price", [9, 10_001])
def test_prices_outside_10_to_10000_are_refused(ada: Caller, price: int) -> None:
    response = ada("POST", "/api/styles/", STYLE | {"generation_cost_tokens": price})
    assert "generation_cost_tokens" in faults(response)


def test_training_images_come_with_the_style(ada: Caller) -> None:
    assert illustrated(ada, 3)["image_count"] == 3


def test_images_are_listed_with_their_url(ada: Caller) -> None:
    style = illustrated(ada, 2)
    catch_up()
    images = ada("GET", f"/api/styles/{style['id']}/images/").json()["results"]
    assert [image["url"].startswith("http") for image in images] == [True, True]


def test_fields_are_chosen(ada: Caller) -> None:
    style = ada("POST", "/api/styles/", STYLE).json()
    chosen = ada("GET", f"/api/styles/{style['id']}/?fields=id,name").json()
    assert chosen == {"id": style["id"], "name": "Ink"}


def test_only_artists_create_and_train(ada: Caller, ben: Caller) -> None:
    refused = ben("POST", "/api/styles/", STYLE)
    assert code(refused) == (403, "artist_only")
    assert refused.json()["error"]["message"] == "Only artists can perform this action."
    style = ada("POST", "/api/styles/", STYLE).json()
    assert ben("POST", f"/api/styles/{style['id']}/train/", {}, **key()).status_code == 403


def test_training_costs_100_tokens_and_too_few_is_402(ada: Caller) -> None:
    style = illustrated(ada)
    give(granted(ada.user.id, 99))
    assert code(train(ada, style)) == (402, "insufficient_tokens")
    give(granted(ada.user.id, 1))
    assert train(ada, style).status_code == 200
    assert ada("GET", "/api/tokens/balance/").json()["balance"] == 0


def test_train_answers_message_style_and_status(ada: Caller) -> None:
    style = illustrated(ada)
    give(granted(ada.user.id, 100))
    answer = train(ada, style).json()
    assert (answer["message"], answer["style_id"], answer["training_status"]) == (
        "Training started",
        style["id"],
        "training",
    )


def test_training_moves_the_status_as_the_guide_names_it(ada: Caller) -> None:
    style = illustrated(ada)
    give(granted(ada.user.id, 100))
    assert status_of(ada, style) == "pending"
    job = train(ada, style).json()
    assert status_of(ada, style) == "training"
    worker = HttpWorker("training", task_id(UUID(job["training_id"]), 1))
    worker.post("started", {"worker": "w"})
    worker.post("failed", {"code": "bad_input", "message": "no", "retryable": False})
    assert status_of(ada, style) == "failed"
    finished = trained_style(ada.user.id)
    assert status_of(ada, {"id": finished}) == "completed"


def test_progress_has_the_guides_fields(ada: Caller, ben: Caller) -> None:
    style_id = trained_style(ada.user.id)
    give(granted(ben.user.id, 100))
    job = order(ben, style_id).json()
    progress = ben("GET", f"/api/generations/{job['id']}/progress/").json()
    assert {"status", "progress", "estimated_time_remaining"} <= set(progress)
    assert (progress["status"], progress["progress"]) == ("queued", 0)


def test_a_generation_answers_201_and_takes_its_price(ada: Caller, ben: Caller) -> None:
    style_id = trained_style(ada.user.id, price=70)
    give(granted(ben.user.id, 100))
    assert order(ben, style_id).status_code == 201
    assert ben("GET", "/api/tokens/balance/").json()["balance"] == 30


def test_my_generations_lists_ones_own(ada: Caller, ben: Caller, person: People) -> None:
    style_id = trained_style(ada.user.id)
    give(granted(ben.user.id, 200))
    ordered = [order(ben, style_id).json()["id"] for _ in range(2)]
    catch_up()
    mine = ben("GET", "/api/generations/my_generations/").json()
    assert [job["id"] for job in mine["results"]] == ordered[::-1]
    assert person("eve")("GET", "/api/generations/my_generations/").json()["results"] == []


def test_the_balance_is_the_sum_of_the_transactions(ada: Caller, ben: Caller) -> None:
    give(granted(ben.user.id, 100))
    order(ben, trained_style(ada.user.id, price=70))
    catch_up()
    rows = ben("GET", "/api/tokens/transactions/").json()["results"]
    assert sum(row["amount"] for row in rows) == 30
    assert rows[0]["balance_after"] == ben("GET", "/api/tokens/balance/").json()["balance"] == 30


def published(queue_name: str) -> dict[str, Any]:
    """Return the one task that the relay has put on a queue."""
    broker = EmbeddedBroker()
    broker.declare(TOPOLOGY)
    Relay(broker).round()
    (task,) = queue.take([queue_name])
    body: dict[str, Any] = json.loads(task.body)
    return body


def test_the_task_message_has_the_guides_fields(ada: Caller) -> None:
    style = illustrated(ada)
    give(granted(ada.user.id, 100))
    train(ada, style)
    task = published("model_training")
    assert {"task_id", "type", "data", "callback_url"} <= set(task)
    assert task["type"] == "model_training"
    assert task["data"]["style_id"] == style["id"]
    assert task["callback_url"].endswith("/api/webhooks/training/complete")
    assert len(task["data"]["images"]) == 10


def test_the_default_parameters_are_the_guides(ada: Caller, ben: Caller) -> None:
    style = illustrated(ada)
    give(granted(ada.user.id, 100))
    train(ada, style)
    parameters = published("model_training")["data"]["parameters"]
    assert (parameters["epochs"], parameters["learning_rate"]) == (200, 0.0001)
    give(granted(ben.user.id, 100))
    job = order(ben, trained_style(ada.user.id)).json()
    assert (job["parameters"]["size"], job["parameters"]["steps"]) == ("512x512", 50)


def started(ben: Caller, ada: Caller) -> tuple[str, HttpWorker]:
    """Return a generation's id and the worker that has started it."""
    style_id = trained_style(ada.user.id)
    give(granted(ben.user.id, 100))
    job_id = order(ben, style_id).json()["id"]
    worker = HttpWorker("generation", task_id(UUID(job_id), 1))
    answer = worker.post("started", {"worker": "w"})
    assert answer.status_code == 200, answer.content
    return job_id, worker


def test_success_false_is_a_failure(ada: Caller, ben: Caller) -> None:
    job_id, worker = started(ben, ada)
    worker.post("complete", {"success": False, "error": "out of memory"})
    assert ben("GET", f"/api/generations/{job_id}/").json()["status"] == "failed"
    assert ben("GET", "/api/tokens/balance/").json()["balance"] == 100


def test_a_failed_generation_is_ordered_again_as_a_new_one(ada: Caller, ben: Caller) -> None:
    job_id, worker = started(ben, ada)
    worker.post("failed", {"code": "bad_input", "retryable": False})
    again = ben("POST", f"/api/generations/{job_id}/retry/", {}, **key())
    assert (again.status_code, again.json()["retry_of"]) == (201, job_id)
    assert ben("GET", f"/api/generations/{job_id}/").json()["status"] == "failed"


def test_a_generation_is_refundable_for_7_days(ada: Caller, ben: Caller, person: People) -> None:
    job_id, worker = started(ben, ada)
    worker.upload(made := result())
    worker.post("complete", announced(made))
    captured = state_of(f"generation-{job_id}").captured
    left = captured.refundable_until_at - datetime.now(UTC)
    assert timedelta(days=6, hours=23) < left <= timedelta(days=7)
    path, why = f"/api/generations/{job_id}/refund/", {"reason": "broken_image"}
    refunded = person("olga", Role.OPERATOR)("POST", path, why, **key())
    assert refunded.status_code == 200, refunded.content
    assert ben("GET", "/api/tokens/balance/").json()["balance"] == 100


def test_webhooks_answer_status_ok(ada: Caller, ben: Caller) -> None:
    _, worker = started(ben, ada)
    assert worker.post("progress", {"percent": 10}).json()["status"] == "ok"
    assert worker.post("progress", {"percent": 20}, method="PATCH").json()["status"] == "ok"


@pytest.mark.usefixtures("database")
@override_settings(INTERNAL_API_TOKEN="a-long-shared-token")
def test_the_internal_token_opens_the_webhooks_and_nothing_else_does() -> None:
    body = {"task_id": str(uuid4()), "claim": str(uuid4()), "sequence": 1, "data": {}}
    path = "/api/webhooks/generation/started"
    right = call("POST", path, body, headers={"Authorization": "Bearer a-long-shared-token"})
    assert right.status_code == 404
    for wrong in ("Bearer other", "a-long-shared-token", "Bearer "):
        assert call("POST", path, body, headers={"Authorization": wrong}).status_code == 401
    assert call("POST", path, body).status_code == 401


def test_the_korean_texts_are_kept(ada: Caller, ben: Caller) -> None:
    korean = {"headers": {"Idempotency-Key": "k", "Accept-Language": "ko"}}
    style_id = trained_style(ada.user.id)
    body = {"style_id": str(style_id), "prompt": "여우"}
    refused = ben("POST", "/api/generations/", body, **korean)
    assert refused.json()["error"]["message"] == "토큰이 부족합니다."
    style = illustrated(ada)
    give(granted(ada.user.id, 200))
    train(ada, style)
    again = ada("POST", f"/api/styles/{style['id']}/train/", {}, **korean)
    assert again.json()["error"]["message"] == "이미 학습이 진행 중입니다."


def test_errors_have_code_message_and_details(ben: Caller) -> None:
    error = ben("POST", "/api/styles/", {}).json()["error"]
    assert {"code", "message", "details"} <= set(error)
