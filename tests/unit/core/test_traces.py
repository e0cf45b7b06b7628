"""A trace is passed on as it came, and begun where none came."""

import re

import pytest
import structlog

from core import traces

TRACE = f"00-{'a' * 32}-{'b' * 16}-01"


def test_a_well_formed_trace_is_accepted() -> None:
    assert traces.accepted(TRACE) == TRACE


@pytest.mark.parametrize(
    "given",
    [
        None, 7, "", "00", TRACE.upper(), TRACE + "-00", TRACE + "\n", " " + TRACE,
        TRACE.replace("00-", "ff-"), f"00-{'0' * 32}-{'b' * 16}-01", f"00-{'a' * 32}-{'0' * 16}-01",
        f"00-{'a' * 31}-{'b' * 16}-01", f"00-{'٠' * 32}-{'b' * 16}-01",
    ],
)  # fmt: skip
def test_anything_else_is_none(given: object) -> None:
    assert traces.accepted(given) is None


def test_a_new_trace_has_the_requests_id_where_that_can_be() -> None:
    assert re.fullmatch(f"00-{'c' * 32}-[0-9a-f]{{16}}-00", traces.begun("c" * 32))
    for request_id in ("mine", "0" * 32, "c" * 33, ""):
        begun = traces.begun(request_id)
        assert traces.accepted(begun) == begun
        assert request_id == "" or request_id not in begun


def test_what_happens_in_a_trace_belongs_to_it_and_what_follows_does_not() -> None:
    assert traces.current() is None
    with traces.traced(TRACE):
        assert traces.current() == TRACE
        assert structlog.contextvars.get_contextvars() == {"traceparent": TRACE}
        with traces.traced(None):
            assert traces.current() == TRACE
    assert traces.current() is None
