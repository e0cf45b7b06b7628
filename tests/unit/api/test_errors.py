"""Whatever is raised in a view leaves in one shape, or not at all."""

from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest
from django.utils import translation
from rest_framework import exceptions, serializers

from api import errors
from api.errors import FieldProblem, Problem, exception_handler
from core.fields import StrictIntegerField
from core.refusals import field_errors
from core.storage import StorageError
from ledger.domain.errors import InsufficientTokens
from ledger.orders import Busy


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (Problem(418, "teapot"), (418, "teapot", False)),
        (InsufficientTokens(required=5), (402, "insufficient_tokens", False)),
        (Busy(), (503, "busy", True)),
        (StorageError("secret"), (500, "storage_error", True)),
        (exceptions.ParseError(), (400, "malformed_request", False)),
        (exceptions.NotAuthenticated(), (401, "not_authenticated", False)),
        (exceptions.Throttled(wait=7.2), (429, "throttled", True)),
        (exceptions.NotAcceptable(), (406, "not_acceptable", False)),
        (exceptions.APIException(["a", "b"]), (500, "bad_request", True)),
        (Http404("/etc/passwd"), (404, "not_found", False)),
        (PermissionDenied("secret"), (403, "permission_denied", False)),
        (RequestDataTooBig("secret"), (413, "payload_too_large", False)),
        (SuspiciousOperation("secret"), (400, "bad_request", False)),
        (OperationalError("secret"), (503, "unavailable", True)),
        (InterfaceError("secret"), (503, "unavailable", True)),
    ],
)
def test_each_kind_of_exception_has_its_answer(
    raised: Exception, expected: tuple[int, str, bool]
) -> None:
    response = exception_handler(raised, {})

    assert response is not None
    error = response.data["error"]
    assert (response.status_code, error["code"], error["retryable"]) == expected
    assert "secret" not in str(response.data)
    assert "passwd" not in str(response.data)


def test_what_nobody_foresaw_is_left_to_the_last_handler() -> None:
    assert exception_handler(ZeroDivisionError("secret"), {}) is None


@pytest.mark.parametrize(
    ("raised", "seconds"),
    [(exceptions.Throttled(wait=7.2), "8"), (Busy(), "1"), (OperationalError(), "1")],
)
def test_what_may_be_tried_again_says_when(raised: Exception, seconds: str) -> None:
    response = exception_handler(raised, {})

    assert response is not None
    assert response["Retry-After"] == seconds


def test_a_rules_details_are_told() -> None:
    response = exception_handler(InsufficientTokens(required=5, available=2, shortfall=3), {})

    assert response is not None
    assert response.data["error"]["details"] == {"required": 5, "available": 2, "shortfall": 3}


def test_a_field_may_have_several_faults() -> None:
    fault = {"code": "own", "message": "In its own words."}

    details = FieldProblem("password", "taken", fault).details

    assert details == {"password": [{"code": "taken", "message": "This is taken."}, fault]}


class Item(serializers.Serializer[Any]):
    amount = serializers.IntegerField()
    message = serializers.CharField()
    code = serializers.CharField()

    def validate(self, attrs: Any) -> Any:
        raise serializers.ValidationError("both", code="pair")


class Bulk(serializers.Serializer[Any]):
    items = Item(many=True)
    tags = serializers.ListField(child=serializers.IntegerField())


def codes_of(data: Any) -> dict[str, list[str]]:
    form = Bulk(data=data)
    with pytest.raises(exceptions.ValidationError) as refused:
        form.is_valid(raise_exception=True)
    found = field_errors(refused.value.get_full_details())
    return {field: [fault["code"] for fault in faults] for field, faults in found.items()}


def test_faults_in_lists_are_found_by_their_path() -> None:
    good = {"amount": 1, "message": "m", "code": "c"}

    assert codes_of({"items": [good, good | {"amount": "x"}], "tags": [1, "x"]}) == {
        "items.0": ["pair"],
        "items.1.amount": ["invalid"],
        "tags.1": ["invalid"],
    }


def test_fields_that_are_called_message_and_code_are_fields() -> None:
    """REST framework's own faults have these two names as well."""
    assert codes_of({"items": [{"amount": 1}], "tags": []}) == {
        "items.0.message": ["required"],
        "items.0.code": ["required"],
    }


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (errors.bad_request(HttpRequest(), SuspiciousOperation()), (400, b"bad_request")),
        (errors.bad_request(HttpRequest(), RequestDataTooBig()), (413, b"payload_too_large")),
        (errors.permission_denied(HttpRequest(), PermissionDenied()), (403, b"permission_denied")),
        (errors.csrf_failed(HttpRequest()), (403, b"csrf_failed")),
        (errors.page_not_found(HttpRequest(), Http404()), (404, b"not_found")),
        (errors.server_error(HttpRequest()), (500, b"internal_error")),
    ],
)
def test_what_is_refused_before_a_view_has_the_same_shape(
    answer: Any, expected: tuple[int, bytes]
) -> None:
    assert answer.status_code == expected[0]
    assert b'"code": "' + expected[1] in answer.content


def test_faults_of_our_own_fields_are_told_in_the_readers_language() -> None:
    class Form(serializers.Serializer[Any]):
        number = StrictIntegerField()

    form = Form(data={"number": "5"})
    assert not form.is_valid()
    raised = exceptions.ValidationError(form.errors)

    def text() -> str:
        response = exception_handler(raised, {})
        assert response is not None
        (fault,) = response.data["error"]["details"]["number"]
        assert fault["code"] == "invalid_integer"
        return str(fault["message"])

    assert text() == "A whole number is required, not a string or a fraction."
    with translation.override("ko"):
        assert text() == "문자열이나 소수가 아닌 정수가 필요합니다."
