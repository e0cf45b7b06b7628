"""JSON is taken literally, by HTTP and by queue."""

from typing import Any

import pytest

from core.strict_json import MAX_DEPTH, NotJson, TooDeep, decoded


@pytest.mark.parametrize(("raw", "expected"), [(b'{"a": [1, null]}', {"a": [1, None]}), (b"5", 5)])
def test_json_is_decoded(raw: bytes, expected: Any) -> None:
    assert decoded(raw) == expected


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"NaN", b'"\\ud800"', b"{} {}", b'"\xff"', "{}".encode("utf-16"), b"[" * 100_000],
)
def test_what_is_no_json_is_refused(raw: bytes) -> None:
    with pytest.raises(NotJson):
        decoded(raw)


def test_nesting_has_a_limit() -> None:
    deep = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert decoded(deep)
    with pytest.raises(TooDeep):
        decoded(b"[" + deep + b"]")
