"""Operators give workers their credentials; nobody else does."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from core.models import Role, Worker
from tests.callers import Caller, call, code, faults
from tests.http_workers import HttpWorker

People = Callable[..., Caller]
WORKERS = "/api/workers/"


@pytest.fixture
def operator(person: People) -> Caller:
    return person("olga", Role.OPERATOR)


def create(caller: Caller, name: str = "painter", **given: Any) -> Any:
    return caller("POST", WORKERS, {"name": name, **given})


def proves(worker_id: str, secret: str) -> bool:
    """Whether this secret lets the worker in."""
    worker = HttpWorker()
    worker.id, worker.secret = worker_id, secret  # type: ignore[assignment]  # as text
    status: int = worker.poll().status_code
    assert status in {200, 401}
    return status == 200


def test_a_new_workers_secret_is_shown_once(operator: Caller) -> None:
    response = create(operator, job_types=["image_generation"])

    made = response.json()
    assert response.status_code == 201
    assert made["secret"].startswith("whsec_")
    assert made["job_types"] == ["image_generation"]
    assert proves(made["id"], made["secret"])
    listed = operator("GET", WORKERS).json()["results"]
    assert [one for one in listed if one["id"] == made["id"]] == [
        {name: value for name, value in made.items() if name != "secret"}
    ]


def test_a_worker_takes_every_kind_of_job_unless_told_otherwise(operator: Caller) -> None:
    assert create(operator).json()["job_types"] == ["image_generation", "model_training"]


def test_the_former_secret_lasts_a_day_after_a_rotation(operator: Caller) -> None:
    made = create(operator).json()

    rotated = operator("POST", f"{WORKERS}{made['id']}/rotate/").json()

    assert rotated["secret"] != made["secret"]
    assert rotated["previous_valid_until"] is not None
    assert proves(made["id"], rotated["secret"])
    assert proves(made["id"], made["secret"])


def test_a_revoked_worker_is_out(operator: Caller) -> None:
    made = create(operator).json()
    path = f"{WORKERS}{made['id']}/"

    assert operator("DELETE", path).status_code == 204
    assert operator("DELETE", path).status_code == 204
    assert operator("GET", path).json()["revoked_at"] is not None
    assert not proves(made["id"], made["secret"])
    assert code(operator("POST", f"{path}rotate/")) == (404, "not_found")


def test_workers_are_listed_in_pages_newest_first(operator: Caller) -> None:
    made = [create(operator, f"w{number}").json()["id"] for number in range(3)]

    first = operator("GET", f"{WORKERS}?limit=2").json()
    second = operator("GET", f"{WORKERS}?limit=2&cursor={first['next_cursor']}").json()

    assert [one["id"] for one in first["results"] + second["results"]] == made[::-1]
    assert (first["has_more"], second["has_more"]) == (True, False)


def test_a_name_is_given_once(operator: Caller) -> None:
    create(operator)

    assert faults(create(operator)) == {"name": ["taken"]}
    assert Worker.objects.count() == 1


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": 7}, "name"),
        ({"job_types": []}, "job_types"),
        ({"job_types": ["payments"]}, "job_types.0"),
    ],
)
def test_a_worker_of_another_form_is_refused(
    operator: Caller, given: dict[str, Any], field: str
) -> None:
    assert list(faults(operator("POST", WORKERS, {"name": "painter"} | given))) == [field]
    assert not Worker.objects.exists()


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_unknown_worker_is_not_found(operator: Caller, method: str) -> None:
    assert code(operator(method, f"{WORKERS}{uuid4()}/")) == (404, "not_found")


@pytest.mark.parametrize("role", [Role.USER, Role.ARTIST, Role.AUDITOR])
def test_only_operators_manage_workers(person: People, role: str) -> None:
    """G13."""
    caller = person("mina", role)
    path = f"{WORKERS}{HttpWorker().id}/"

    for method, where in [
        ("GET", WORKERS), ("POST", WORKERS), ("GET", path), ("DELETE", path),
        ("POST", f"{path}rotate/"),
    ]:  # fmt: skip
        assert code(caller(method, where, {})) == (403, "operator_only")
        assert code(call(method, where, {})) == (401, "not_authenticated")
