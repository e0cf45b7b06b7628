"""What of a dead letter is printed: ids, codes and times; people's words and secrets on request.

Whoever wrote the letter may have meant to write on the operator's terminal: all is ASCII.
"""

import hashlib
import json
import re
from datetime import datetime
from typing import Any

from consumers.dead_letters.letters import Letter
from core.logs import HIDDEN

MOST_DEPTH = 20
_CODE_FIELDS = frozenset(
    {"action", "code", "content_type", "dead-queue", "dead-reason", "size", "status", "type"}
)
_CODE = re.compile(r"[A-Za-z0-9_.:/+-]{1,64}", re.ASCII)
_UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)"
_TRACE = r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}"
_HARMLESS = re.compile(f"{_UUID}|{_TIME}|{_TRACE}|[0-9a-f]{{64}}|[0-9]{{1,20}}", re.ASCII)


def line(letter: Letter, *, now: datetime) -> dict[str, Any]:
    """Return a letter as one entry of a list; `age_seconds` is None where it is not known."""
    age = (now - letter.dead_at).total_seconds() if letter.dead_at else None
    return {
        "queue": letter.queue,
        "id": letter.id,
        "type": letter.message.type,
        "reason": letter.reason,
        "age_seconds": None if age is None else max(0, round(age)),
    }


def whole(letter: Letter, *, now: datetime, reveal: bool) -> dict[str, Any]:
    """Return all of a letter; the body is its exact text with `reveal`, else JSON with gaps."""
    body, headers = letter.message.body, dict(letter.message.headers)
    return line(letter, now=now) | {
        "headers": _without_keys(headers) if reveal else hidden(headers),
        "bytes": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
        "body": body.decode(errors="backslashreplace") if reveal else hidden(_read(body)),
    }


def hidden(value: Any, field: str = "", depth: int = 0) -> Any:
    """Return JSON with every text hidden but ids, times and digests, and codes where they belong.

    What is not known to be harmless could be a prompt, a name, a signature or a link.
    """
    if isinstance(value, dict) and depth < MOST_DEPTH:
        return {
            name if _CODE.fullmatch(name) else HIDDEN: hidden(inner, name, depth + 1)
            for name, inner in value.items()
        }
    if isinstance(value, list) and depth < MOST_DEPTH:
        return [hidden(inner, field, depth + 1) for inner in value]
    if isinstance(value, str):
        is_code = field in _CODE_FIELDS and _CODE.fullmatch(value)
        return value if is_code or _HARMLESS.fullmatch(value) else HIDDEN
    return HIDDEN if isinstance(value, dict | list) else value


def row(line: dict[str, Any]) -> str:
    """Return an entry of a list as text: queue, id, type, reason, age."""
    age = "-" if line["age_seconds"] is None else f"{line['age_seconds']} s"
    texts = (line["queue"], line["id"], line["type"], line["reason"], age)
    return "  ".join(printable(text) or "-" for text in texts)


def printable(text: str) -> str:
    """Return `text` in ASCII, with what a terminal would obey as escapes."""
    return json.dumps(text)[1:-1].replace("\x7f", "\\u007f")


def _without_keys(headers: dict[str, Any]) -> dict[str, Any]:
    """Return the headers without what opens an account: that is shown to nobody."""
    return {
        name: HIDDEN if name.lower() == "authorization" else value
        for name, value in headers.items()
    }


def _read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return HIDDEN
