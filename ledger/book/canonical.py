"""Canonical JSON (RFC 8785 with integers and strings only): what is hashed is what is stored."""

import re
from typing import Any

import orjson

_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER  # integers up to 2^53-1
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


class NotCanonical(ValueError):
    """A value that the book cannot hold."""


def canonical(value: Any) -> str:
    """Return `value` as canonical JSON; names of members must be ASCII.

    Raises NotCanonical for floats, integers past 2^53-1, None, NUL and lone surrogates.
    """
    _check(value)
    return written(value)


def written(value: Any) -> str:
    """Return as canonical JSON what consists of str, int, bool, UUID, list and dict alone.

    That is for the caller to know; members' names must be ASCII. Raises NotCanonical for integers
    past 2^53-1, NUL and lone surrogates.
    """
    try:
        text = orjson.dumps(value, option=_OPTIONS).decode()
    except orjson.JSONEncodeError as error:
        raise NotCanonical(str(error)) from None
    if "\\u0000" in text and _NUL.search(text):
        raise NotCanonical("NUL in a text.")
    return text


def _check(value: Any) -> None:
    if isinstance(value, list | tuple):
        for item in value:
            _check(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            if not isinstance(name, str) or not name.isascii():
                raise NotCanonical("A member's name must be ASCII text.")
            _check(item)
    elif not isinstance(value, str | int):
        raise NotCanonical(f"No {type(value).__name__} in the book.")
