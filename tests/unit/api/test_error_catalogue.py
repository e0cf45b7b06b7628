"""docs/reference/errors.md lists every code that we refuse with, as the code has it."""

import ast
from pathlib import Path

import api
from api import error_catalogue
from api.error_catalogue import API, JOB_CODES, RULE_ADVICE, refusals
from api.messages import MESSAGES
from ledger.domain.billing import BILLING
from tests.unit.api.errors_page import PAGE


def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text() == error_catalogue.page()


def test_there_is_no_advice_about_a_code_that_nobody_sends() -> None:
    told = {one.code for one in refusals()}

    assert API.keys() - MESSAGES.keys() == set()
    assert RULE_ADVICE.keys() - told == set()
    assert JOB_CODES.keys() == {rule.code for rule in BILLING} - {None}


def test_each_code_has_one_status() -> None:
    codes = [one.code for one in refusals()]

    assert len(codes) > 80
    assert sorted(codes) == sorted(set(codes))


def test_the_status_of_a_code_is_what_the_views_refuse_with() -> None:
    raised = {
        (str(code), status)
        for module in Path(api.__file__).parent.glob("*.py")
        for status, code in problems(module.read_text())
    }

    assert len(raised) > 20
    assert raised - {(one.code, one.status) for one in refusals()} == set()


def problems(source: str) -> list[tuple[int, str]]:
    """Return (status, code) of each `Problem(...)` in `source` that writes both out."""
    return [
        tuple(one.value for one in call.args)  # type: ignore[attr-defined,misc] # two constants
        for call in ast.walk(ast.parse(source))
        if isinstance(call, ast.Call)
        and getattr(call.func, "id", "") == "Problem"
        and [type(getattr(one, "value", None)) for one in call.args] == [int, str]
    ]
