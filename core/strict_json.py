"""JSON as it is taken in, by HTTP and by queue: UTF-8, of bounded depth, nothing guessed."""

from typing import Any

import orjson

MAX_DEPTH = 32  # levels; what we take in is far flatter; a fingerprint is made by recursion


class NotJson(Exception):
    """The body is not valid JSON in UTF-8."""


class TooDeep(Exception):
    """The body is nested too deeply."""


def decoded(raw: bytes) -> Any:
    """Return the decoded body; NaN, lone surrogates and trailing text are no JSON.

    Raises NotJson and TooDeep.
    """
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise NotJson from None
    if _is_deeper(body, MAX_DEPTH):
        raise TooDeep
    return body


def _is_deeper(body: Any, levels: int) -> bool:
    """Return whether objects and lists are nested in more than `levels`, without recursion."""
    nested = [body]
    for _ in range(levels + 1):
        nested = [one for one in nested if isinstance(one, dict | list)]
        if not nested:
            return False
        nested = [
            inner for one in nested for inner in (one.values() if isinstance(one, dict) else one)
        ]
    return True
