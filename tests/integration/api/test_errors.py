"""Every refusal has one shape, a stable code and a text in the reader's language."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError

from core.models import User
from tests.callers import Caller, call, code

SHAPE = {"code", "message", "details", "retryable", "request_id"}
LOGIN = "/api/auth/login/"


def test_an_unknown_path_answers_in_the_shape() -> None:
    response = call("GET", "/nowhere/")

    assert code(response) == (404, "not_found")
    assert response.json()["error"].keys() == SHAPE
    assert response.json()["error"]["request_id"] == response["X-Request-ID"]


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "expected"),
    [
        ("PUT", LOGIN, {}, {}, (405, "method_not_allowed")),
        ("OPTIONS", LOGIN, None, {}, (405, "method_not_allowed")),
        ("POST", LOGIN, b"{", {}, (400, "malformed_json")),
        ("POST", LOGIN, b"\xff", {}, (400, "malformed_json")),
        ("POST", LOGIN, b"[" * 100_000, {}, (400, "malformed_json")),
        ("POST", LOGIN, b"[" * 33 + b"]" * 33, {}, (400, "json_too_deep")),
        ("POST", LOGIN, b'{"a":' * 1000 + b"1" + b"}" * 1000, {}, (400, "json_too_deep")),
        ("POST", LOGIN, b"[" * 32 + b"]" * 32, {}, (422, "invalid_fields")),
        ("PUT", "/api/styles/", {}, {}, (405, "method_not_allowed")),
        ("OPTIONS", "/api/styles/", None, {}, (405, "method_not_allowed")),
        ("POST", LOGIN, b'{"a": NaN}', {}, (400, "malformed_json")),
        ("POST", LOGIN, b'{"a": "\\ud800"}', {}, (400, "malformed_json")),
        ("POST", LOGIN, b"a=1", {"Content-Type": "text/plain"}, (415, "unsupported_media_type")),
        ("POST", LOGIN, b"{}", {"Content-Type": ""}, (415, "unsupported_media_type")),
        ("POST", LOGIN, b"[" + b" " * 2**20, {}, (413, "payload_too_large")),
        ("GET", LOGIN, None, {"Host": "a b"}, (400, "bad_request")),
        ("GET", "/api/auth/me/", None, {}, (401, "not_authenticated")),
    ],
)
def test_what_is_wrong_with_a_request_is_told_by_code(
    method: str, path: str, body: Any, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    response = call(method, path, body, headers=headers)

    assert code(response) == expected
    assert response.json()["error"].keys() == SHAPE
    assert response["Content-Type"].startswith("application/json")


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "There is no such thing, or it is not visible to you."),
        ("ko-KR,ko;q=0.9", "존재하지 않거나 볼 수 없는 대상입니다."),
        ("fr", "There is no such thing, or it is not visible to you."),
    ],
)
def test_texts_follow_the_readers_language(language: str, text: str) -> None:
    response = call("GET", "/nowhere/", headers={"Accept-Language": language})

    assert response.json()["error"]["message"] == text
    assert response.json()["error"]["code"] == "not_found"


def test_field_faults_follow_the_readers_language() -> None:
    response = call("POST", LOGIN, {}, headers={"Accept-Language": "ko"})

    fault = response.json()["error"]["details"]["username"][0]
    assert fault == {"code": "required", "message": "이 필드는 필수 항목입니다."}


@pytest.mark.parametrize("name", ["a-request.1", "x" * 64])
def test_a_well_formed_request_id_is_kept(name: str) -> None:
    assert call("GET", "/nowhere/", headers={"X-Request-ID": name})["X-Request-ID"] == name


@pytest.mark.parametrize("name", ["", "x" * 65, "a b", "é", "<script>"])
def test_any_other_request_id_is_replaced(name: str) -> None:
    answered = call("GET", "/nowhere/", headers={"X-Request-ID": name})["X-Request-ID"]

    assert len(answered) == 32
    assert answered != name


def test_an_unforeseen_exception_tells_nothing_but_its_existence(
    person: Callable[..., Caller], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("mina@example.org")

    mina = person()
    monkeypatch.setattr(User, "save", fail)
    response = mina("PATCH", "/api/users/me/", {"username": "b"})

    assert code(response) == (500, "internal_error")
    assert b"ZeroDivision" not in response.content
    assert b"mina" not in response.content


def test_an_unreachable_database_is_a_503_that_may_be_tried_again(
    person: Callable[..., Caller], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OperationalError("could not connect to server at 10.0.0.1")

    mina = person()
    monkeypatch.setattr(User, "save", fail)
    response = mina("PATCH", "/api/users/me/", {"username": "b"})

    assert code(response) == (503, "unavailable")
    assert response["Retry-After"] == "1"
    assert response.json()["error"]["retryable"] is True
    assert b"10.0.0.1" not in response.content
