"""Bodies and fields are taken literally: nothing is guessed from another type."""

from typing import Any
from uuid import UUID

import pytest
from django.http import QueryDict
from rest_framework import serializers

from core.fields import (
    ParagraphField,
    StrictBooleanField,
    StrictCharField,
    StrictIntegerField,
    StrictUUIDField,
)
from ledger.requests import TokensField

ID = "01980000-0000-7000-8000-0000000000ff"


class Form(serializers.Serializer[Any]):
    number = StrictIntegerField(required=False)
    amount = TokensField(required=False)
    line = StrictCharField(max_length=10, required=False)
    text = ParagraphField(required=False)
    flag = StrictBooleanField(required=False)
    id = StrictUUIDField(required=False)


def checked(field: str, value: Any) -> Any:
    """Return the accepted value, or the code of the refusal."""
    form = Form(data={field: value})
    if form.is_valid():
        return form.validated_data[field]
    [error] = form.errors[field]
    return error.code


@pytest.mark.parametrize("value", ["5", 5.0, True, None, [5], {}, 1e300, "five", ""])
def test_only_an_integer_is_an_integer(value: Any) -> None:
    assert checked("number", value) in {"invalid_integer", "null"}


@pytest.mark.parametrize("value", [0, -5, 2**53])
def test_an_integer_comes_back_as_it_is(value: int) -> None:
    assert checked("number", value) == value


def test_a_form_writes_its_numbers_as_text() -> None:
    form = Form(data=QueryDict("number=5"))

    assert form.is_valid()
    assert form.validated_data["number"] == 5
    assert not Form(data=QueryDict("number=five")).is_valid()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, 1),
        (1_000_000_000, 1_000_000_000),
        (0, "min_value"),
        (-1, "min_value"),
        (1_000_000_001, "max_value"),
        (2.5, "invalid_integer"),
        ("100", "invalid_integer"),
    ],
)
def test_an_amount_of_tokens_has_bounds(value: Any, expected: Any) -> None:
    assert checked("amount", value) == expected


@pytest.mark.parametrize(
    "value", ["비 오는 날", "👩‍🎨", " spaces ", "é", "e\u0301", "\u202eא", "x" * 10]
)
def test_text_of_any_script_comes_back_unchanged(value: str) -> None:
    assert checked("line", value) == value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, "invalid_string"),
        (True, "invalid_string"),
        (["a"], "invalid_string"),
        ("", "blank"),
        ("   ", "blank"),
        ("\u3000", "blank"),
        ("x" * 11, "max_length"),
        ("a\x00", "control_characters"),
        ("a\x1b[0m", "control_characters"),
        ("a\x85", "control_characters"),
        ("a\nb", "control_characters"),
        ("\ud800", "control_characters"),
    ],
)
def test_a_line_of_text_has_no_control_characters(value: Any, expected: str) -> None:
    assert checked("line", value) == expected


def test_a_paragraph_may_have_line_breaks() -> None:
    assert checked("text", "a\n\tb") == "a\n\tb"
    assert checked("text", "a\x0bb") == "control_characters"


@pytest.mark.parametrize("value", ["true", 1, 0, "yes", [True]])
def test_only_true_and_false_are_booleans(value: Any) -> None:
    assert checked("flag", value) == "invalid"
    assert checked("flag", False) is False


def test_a_form_writes_its_booleans_as_text() -> None:
    form = Form(data=QueryDict("flag=true"))

    assert form.is_valid()
    assert form.validated_data["flag"] is True


@pytest.mark.parametrize("value", [5, "5", ID.replace("-", ""), "{" + ID + "}", "x" * 36])
def test_a_uuid_has_one_form(value: Any) -> None:
    assert checked("id", value) == "invalid_uuid"
    assert checked("id", ID) == UUID(ID)
