"""What can be done about an ordered picture: cancel, order again, refund (sections 8 and 10)."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from consumers.tasks import ArtistNames, task_of
from core.ids import new_id, new_job_id, task_id
from core.models import Role
from core.sealing import erase
from core.settings import PUBLIC_URL
from core.storage import store
from ledger.book import read
from ledger.codec import decode
from tests.callers import Caller, call, code
from tests.http_workers import HttpWorker
from tests.jobs import (
    announced,
    balance,
    drafted,
    give,
    granted,
    picture,
    state_of,
    trained_style,
    training_of,
)

People = Callable[..., Caller]
PATH = "/api/generations/"


@pytest.fixture
def ann(person: People) -> Caller:
    return person("ann")


@pytest.fixture
def operator(person: People) -> Caller:
    return person("olga", Role.OPERATOR)


@pytest.fixture
def job(ann: Caller) -> dict[str, Any]:
    """Ann's order of a picture for 100 of her 250 tokens."""
    give(granted(ann.user.id, 250))
    body = {"style_id": str(trained_style(new_id())), "prompt": "a fox"}
    placed: dict[str, Any] = ann("POST", PATH, body, headers={"Idempotency-Key": "order"}).json()
    return placed


def act(caller: Caller, job: dict[str, Any], name: str, body: Any = None, *, key: str = "") -> Any:
    return post(caller, f"{PATH}{job['id']}/{name}/", body, key=key)


def post(caller: Caller, path: str, body: Any = None, *, key: str = "") -> Any:
    return caller("POST", path, body or {}, headers={"Idempotency-Key": key} if key else {})


def worker_of(job: dict[str, Any]) -> HttpWorker:
    worker = HttpWorker("generation", task_id(UUID(job["id"]), 1))
    worker.post("started")
    return worker


def completed(job: dict[str, Any]) -> None:
    worker = worker_of(job)
    worker.upload(picture())
    worker.post("complete", announced(picture()))


def failed(job: dict[str, Any]) -> None:
    worker_of(job).post("failed", {"code": "moderation"})


def test_a_waiting_job_is_canceled_at_once_as_its_preview_said(
    ann: Caller, job: dict[str, Any]
) -> None:
    """G5."""
    preview = ann("GET", f"{PATH}{job['id']}/cancel-preview/").json()
    assert preview == {
        "is_cancelable": True, "is_immediate": True, "released": 100, "at_stake": 0,
    }  # fmt: skip
    answer = act(ann, job, "cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "canceled")
    assert answer.json()["billing"]["state"] == "released"
    assert "Ledger-Position" in answer.headers
    assert balance(ann.user.id) == (250, 0)
    again = act(ann, job, "cancel")
    assert code(again) == (409, "already_ended")


def test_the_worker_of_a_running_job_is_asked_to_stop(ann: Caller, job: dict[str, Any]) -> None:
    worker = worker_of(job)
    preview = ann("GET", f"{PATH}{job['id']}/cancel-preview/").json()
    assert (preview["is_immediate"], preview["at_stake"]) == (False, 100)
    assert act(ann, job, "cancel").json()["status"] == "processing"
    assert worker.post("progress", {"percent": 50}).json()["cancel"] is True
    worker.post("failed", {"code": "canceled"})
    assert ann("GET", f"{PATH}{job['id']}/").json()["status"] == "canceled"
    assert balance(ann.user.id) == (250, 0)


def test_a_result_that_came_first_is_paid_and_cannot_be_canceled(
    ann: Caller, job: dict[str, Any]
) -> None:
    completed(job)
    assert code(act(ann, job, "cancel"))[1] == "already_completed"
    assert ann("GET", f"{PATH}{job['id']}/cancel-preview/").json()["is_cancelable"] is False


def test_a_cancel_under_one_key_gets_its_first_answer(ann: Caller, job: dict[str, Any]) -> None:
    """G7."""
    first, second = (act(ann, job, "cancel", key="once") for _ in range(2))
    assert second.headers["Idempotent-Replayed"] == "true"
    assert first.json() == second.json()


def test_nobody_acts_on_anothers_job(person: People, job: dict[str, Any]) -> None:
    """G13."""
    ben = person("ben")
    assert act(ben, job, "cancel").status_code == 404
    assert act(ben, job, "retry", key="k").status_code == 404
    assert ben("GET", f"{PATH}{job['id']}/cancel-preview/").status_code == 404
    assert code(act(ben, job, "refund", {"reason": "broken_image"}, key="k"))[1] == "operator_only"


def test_a_failed_job_is_ordered_again_as_it_was(ann: Caller, job: dict[str, Any]) -> None:
    failed(job)
    answer = act(ann, job, "retry", {"expected_price": 100}, key="again")
    new = answer.json()
    assert (answer.status_code, new["retry_of"], new["status"]) == (201, job["id"], "queued")
    assert (new["prompt"], new["parameters"]) == ("a fox", job["parameters"])
    assert new["id"] != job["id"]
    assert balance(ann.user.id) == (150, 100)


def test_what_did_not_fail_is_not_ordered_again(ann: Caller, job: dict[str, Any]) -> None:
    assert code(act(ann, job, "retry", key="again"))[1] == "not_retryable"
    assert code(act(ann, job, "retry"))[1] == "idempotency_key_required"
    assert balance(ann.user.id) == (150, 100)


def test_without_its_prompt_nothing_is_ordered_again(ann: Caller, job: dict[str, Any]) -> None:
    unknown = {"id": str(new_job_id(ann.user.id))}
    assert act(ann, unknown, "retry", key="again").status_code == 404


def test_a_refund_gives_the_price_back_once(
    ann: Caller, operator: Caller, job: dict[str, Any]
) -> None:
    """G4, I8."""
    completed(job)
    body = {"reason": "broken_image", "note": "The picture was grey."}
    answer = act(operator, job, "refund", body, key="refund")
    billing = answer.json()["billing"]
    assert (answer.status_code, billing["state"], billing["refunded"]) == (200, "refunded", 100)
    assert balance(ann.user.id) == (250, 0)
    assert code(act(operator, job, "refund", body, key="twice"))[1] == "already_refunded"
    assert act(operator, job, "refund", body, key="refund").headers["Idempotent-Replayed"] == "true"
    assert balance(ann.user.id) == (250, 0)


def test_what_was_not_captured_is_not_refunded(operator: Caller, job: dict[str, Any]) -> None:
    assert code(act(operator, job, "refund", {"reason": "x"}, key="k"))[1] == "not_refundable"
    missing = {"id": str(uuid4())}
    assert act(operator, missing, "refund", {"reason": "x"}, key="k2").status_code == 404


def test_a_refund_to_an_erased_person_keeps_no_note(
    ann: Caller, operator: Caller, job: dict[str, Any]
) -> None:
    """G14."""
    completed(job)
    erase(ann.user.id)
    body = {"reason": "broken_image", "note": "The picture was grey."}
    assert act(operator, job, "refund", body, key="refund").status_code == 200


def test_a_refund_states_its_reason_as_a_code(operator: Caller, job: dict[str, Any]) -> None:
    answer = act(operator, job, "refund", {"reason": "It is grey"}, key="k")
    assert code(answer) == (422, "invalid_fields")


def test_a_training_is_canceled_once_and_its_images_are_free(person: People) -> None:
    artist = person("art", Role.ARTIST)
    style_id, drafting = drafted(artist.user.id)
    path = f"/api/styles/{style_id}/cancel/"
    give(*drafting, granted(artist.user.id, 100))
    assert code(post(artist, path)) == (404, "training_not_found")
    give(training_of(style_id, artist.user.id))
    answer = post(artist, path, key="once")
    assert (answer.status_code, answer.json()["status"]) == (200, "canceled")
    assert balance(artist.user.id) == (100, 0)
    assert state_of(f"dataset-{style_id}").locked_by is None


def late(job: dict[str, Any]) -> HttpWorker:
    """Let the job fail, and its worker bring a picture all the same."""
    worker = worker_of(job)
    worker.post("failed", {"code": "worker_error"})
    worker.upload(picture())
    answer = worker.post("complete", announced(picture())).json()
    assert answer["disposition"] == "late_ignored"
    return worker


def test_a_late_picture_is_kept_apart_and_paid_once_it_is_accepted(
    ann: Caller, job: dict[str, Any]
) -> None:
    """G6, G9."""
    late(job)
    assert balance(ann.user.id) == (250, 0)
    answer = act(ann, job, "accept-late", key="late")
    new = answer.json()
    assert (answer.status_code, new["status"], new["late_of"]) == (201, "completed", job["id"])
    assert new["billing"]["captured"] == 100
    assert balance(ann.user.id) == (150, 0)
    assert call("GET", new["result"]["url"].removeprefix(PUBLIC_URL)).status_code == 200
    assert ann("GET", f"{PATH}{job['id']}/").json()["status"] == "failed"


def test_a_late_picture_is_accepted_once(ann: Caller, job: dict[str, Any]) -> None:
    """G7."""
    late(job)
    first = act(ann, job, "accept-late", key="late").json()
    assert act(ann, job, "accept-late", key="late").json()["id"] == first["id"]
    again = act(ann, job, "accept-late", key="other")
    assert code(again) == (409, "late_result_accepted")
    assert again.json()["error"]["details"] == {"generation_id": first["id"]}
    assert balance(ann.user.id) == (150, 0)


def test_a_late_picture_that_is_gone_costs_nothing(ann: Caller, job: dict[str, Any]) -> None:
    late(job)
    stored = state_of(f"generation-{job['id']}").job.late[-1]
    store().delete(stored.key)
    assert code(act(ann, job, "accept-late", key="late")) == (409, "late_result_gone")
    assert balance(ann.user.id) == (250, 0)


def test_what_is_no_late_picture_is_not_kept(ann: Caller, job: dict[str, Any]) -> None:
    """G9: nothing stored, a forged claim, or the same one again."""
    worker = worker_of(job)
    worker.post("failed", {"code": "worker_error"})
    for _ in range(2):
        said = worker.post("complete", announced(picture())).json()
        assert said["disposition"] == "late_ignored"
    assert code(act(ann, job, "accept-late", key="late")) == (409, "no_late_result")
    worker.upload(picture())
    worker.post("complete", announced(picture()), changes={"claim": str(uuid4())})
    assert state_of(f"generation-{job['id']}").job.late == ()
    worker.post("complete", announced(picture()))
    worker.post("complete", announced(picture()))
    assert len(state_of(f"generation-{job['id']}").job.late) == 1


def test_a_late_order_is_no_task(ann: Caller, job: dict[str, Any]) -> None:
    late(job)
    new = act(ann, job, "accept-late", key="late").json()
    rows = read.stream(f"generation-{new['id']}")
    assert task_of(decode(rows[0]), ArtistNames()) is None
