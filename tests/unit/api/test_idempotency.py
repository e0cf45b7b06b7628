"""The same request has the same fingerprint, and nothing else has (G7)."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse

from api.errors import Problem
from api.idempotency import fingerprint, idempotency_key, mark_replayed
from tests.unit.api.requests import request


@pytest.mark.parametrize("key", ["a", "x" * 255, "!~", "order-7"])
def test_visible_ascii_is_a_key(key: str) -> None:
    assert idempotency_key(request(Idempotency_Key=key)) == key


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "é", "a\tb", "a\x7f"])
def test_anything_else_is_refused(key: str) -> None:
    with pytest.raises(Problem) as refused:
        idempotency_key(request(Idempotency_Key=key), required=False)
    assert (refused.value.status, refused.value.code) == (400, "idempotency_key_invalid")


def test_a_missing_key_is_refused_only_where_it_is_required() -> None:
    with pytest.raises(Problem) as refused:
        idempotency_key(request())
    assert (refused.value.status, refused.value.code) == (400, "idempotency_key_required")
    assert idempotency_key(request(), required=False) is None


def test_the_order_of_fields_and_the_last_slash_do_not_count() -> None:
    one = request("/api/tokens/transfers/", {"to": "x", "amount": 5})
    same = request("/api/tokens/transfers", {"amount": 5, "to": "x"})

    assert fingerprint(one) == fingerprint(same)
    assert len(fingerprint(one)) == 64


@pytest.mark.parametrize(
    ("path", "body", "method"),
    [
        ("/a/2/retry/", {"amount": 5}, "POST"),
        ("/a/1/retry/", {"amount": 6}, "POST"),
        ("/a/1/retry/", {"amount": "5"}, "POST"),
        ("/a/1/retry/", {"amount": 5, "more": None}, "POST"),
        ("/a/1/retry/", {"amount": [5]}, "POST"),
        ("/a/1/retry/", None, "POST"),
        ("/a/1/retry/", {"amount": 5}, "PUT"),
    ],
)
def test_another_request_has_another_fingerprint(path: str, body: Any, method: str) -> None:
    first = request("/a/1/retry/", {"amount": 5})

    assert fingerprint(request(path, body, method=method)) != fingerprint(first)


def picture(content: bytes, name: str = "a.png") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def test_uploaded_files_count_by_content_and_can_be_read_again() -> None:
    one = request(form={"name": "x", "images": [picture(b"1"), picture(b"2")]})
    same = request(form={"name": "x", "images": [picture(b"1", "b.png"), picture(b"2")]})
    other = request(form={"name": "x", "images": [picture(b"1"), picture(b"3")]})

    assert fingerprint(one) == fingerprint(same) != fingerprint(other)
    assert [file.read() for file in one.FILES.getlist("images")] == [b"1", b"2"]


def test_a_replay_says_so() -> None:
    response = HttpResponse()

    mark_replayed(response)

    assert response["Idempotent-Replayed"] == "true"
