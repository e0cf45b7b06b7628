"""Every code that we send has a text in both languages."""

import ast
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.utils import translation

import api
from api import files
from api.korean import KOREAN
from api.messages import FIELD_MESSAGES, MESSAGES, message
from core import storage
from core.storage import StorageError
from ledger import orders
from ledger.domain.errors import RULES, InsufficientTokens, RuleBroken, TrainingInProgress


def in_korean(code: str, default: str = "") -> str:
    with translation.override("ko"):
        return message(code, default=default)


@pytest.mark.parametrize("code", sorted(MESSAGES | FIELD_MESSAGES))
def test_each_text_differs_by_language(code: str) -> None:
    assert message(code) != in_korean(code)
    assert any("가" <= letter <= "힣" for letter in in_korean(code))


def test_every_refusal_that_states_its_english_has_a_korean_text() -> None:
    told = [
        *RULES,
        *declared(orders, RuleBroken),
        *declared(files, StorageError),
        *declared(storage, StorageError),
    ]

    assert len(told) > 30
    assert {one.code for one in told} - KOREAN.keys() - MESSAGES.keys() == set()


def declared(module: ModuleType, base: type) -> list[Any]:
    """Return the refusals that `module` names, its own and those that it imports."""
    named = [one for one in vars(module).values() if isinstance(one, type)]
    return [one for one in named if issubclass(one, base) and one is not base]


def test_a_rules_english_is_its_docstring() -> None:
    rule = InsufficientTokens()

    assert message(rule.code, default=rule.message) == rule.message


def test_the_korean_texts_of_the_seed_guide_are_kept() -> None:
    assert in_korean(InsufficientTokens.code) == "토큰이 부족합니다."
    assert in_korean(TrainingInProgress.code) == "이미 학습이 진행 중입니다."


def test_a_code_without_a_text_is_its_own_text() -> None:
    assert in_korean("unheard_of") == message("unheard_of") == "unheard_of"


def codes_in(source: str) -> set[str]:
    """Return the codes that the calls in `source` refuse with, where they are written out."""
    found: set[str] = set()
    for call in ast.walk(ast.parse(source)):
        if not isinstance(call, ast.Call):
            continue
        name = getattr(call.func, "id", getattr(call.func, "attr", ""))
        texts = [one.value for one in call.args if isinstance(one, ast.Constant)]
        codes = {"Problem": texts[1:], "FieldProblem": texts[1:], "refuse": texts}.get(name, [])
        found.update(str(code) for code in codes)
    return found


@pytest.mark.parametrize("module", sorted(Path(api.__file__).parent.glob("*.py")), ids=str)
def test_every_code_that_a_view_refuses_with_has_a_text(module: Path) -> None:
    silent = codes_in(module.read_text()) - MESSAGES.keys() - FIELD_MESSAGES.keys()

    assert silent == set(), "add an English and a Korean text to api/messages.py"


def test_a_code_in_a_call_is_found() -> None:
    source = 'raise Problem(409, "a")\nFieldProblem("name", "b", "c")\nself.refuse("d")\nother("e")'

    assert codes_in(source) == {"a", "b", "c", "d"}
