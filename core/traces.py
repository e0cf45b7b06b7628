"""Traces by W3C Trace Context: one `traceparent` from a request to all that comes of it.

It is passed on as it came. No spans are recorded, so none of ours stands in between.
"""

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

HEADER = "traceparent"
_FORM = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)
_TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}", re.ASCII)


def accepted(given: object) -> str | None:
    """Return a traceparent of version 00 as it is, None for anything else."""
    return given if isinstance(given, str) and _FORM.fullmatch(given) else None


def begun(request_id: str) -> str:
    """Return the traceparent of a new trace, whose id is the request's where that can be."""
    trace_id = request_id if _TRACE_ID.fullmatch(request_id) else uuid.uuid4().hex
    return f"00-{trace_id}-{uuid.uuid4().hex[:16]}-00"


@contextmanager
def traced(traceparent: str | None) -> Iterator[None]:
    """Let every log line and every event from within belong to this trace, if there is one."""
    bound = {HEADER: traceparent} if traceparent else {}
    with structlog.contextvars.bound_contextvars(**bound):
        yield


def current() -> str | None:
    """Return the traceparent that `traced` has bound here."""
    return accepted(structlog.contextvars.get_contextvars().get(HEADER))
