"""docs/reference/proofs.md names tests that exist, under promises that they cite."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs/reference/proofs.md"
PROMISES = [*(f"G{number}" for number in range(1, 15)), *(f"I{number}" for number in range(1, 14))]

_CITATION = re.compile(r"\b([GI])(\d+)(?:-[GI](\d+))?\b")


def listed() -> dict[str, list[str]]:
    """Return the tests that the page names, by promise."""
    tests: dict[str, list[str]] = {}
    for line in PAGE.read_text().splitlines():
        if heading := re.match(r"### ([GI]\d+) ", line):
            promise = heading[1]
            assert promise not in tests, f"{promise} is there twice"
            tests[promise] = []
        elif named := re.fullmatch(r"- `(tests/\S+::\S+)`", line):
            tests[promise].append(named[1])
    return tests


def cited(text: str | None) -> set[str]:
    """Return the promises that a docstring cites; `I1-I3` cites three."""
    found = set()
    for letter, first, last in _CITATION.findall(text or ""):
        found |= {f"{letter}{number}" for number in range(int(first), int(last or first) + 1)}
    return found


@cache
def citations(path: str) -> dict[str, set[str]]:
    """Return what each test of a module cites: itself, its class, or the module."""
    module = ast.parse((ROOT / path).read_text())
    return _citations(module, cited(ast.get_docstring(module)), "")


def _citations(
    node: ast.Module | ast.ClassDef, around: set[str], prefix: str
) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for one in node.body:
        if isinstance(one, ast.ClassDef):
            own = around | cited(ast.get_docstring(one))
            found |= _citations(one, own, f"{prefix}{one.name}::")
        elif isinstance(one, ast.FunctionDef) and one.name.startswith("test_"):
            found[prefix + one.name] = around | cited(ast.get_docstring(one))
    return found


def test_every_promise_and_invariant_has_its_tests() -> None:
    assert list(listed()) == PROMISES
    assert all(listed().values())


@pytest.mark.parametrize("promise", PROMISES)
def test_each_test_that_is_named_exists_and_cites_its_promise(promise: str) -> None:
    for named in listed()[promise]:
        path, _, test = named.partition("::")
        assert promise in citations(path)[test], f"{named} does not cite {promise}"


def test_the_design_promises_what_the_page_lists() -> None:
    design = (ROOT / "docs/design.md").read_text()
    stated = re.findall(r"^\| (G\d+) \|", design, re.MULTILINE)
    invariants = re.search(r"Invariants an auditor replays: .*", design)
    assert invariants is not None
    assert stated + re.findall(r"\b(I\d+) ", invariants[0]) == PROMISES
