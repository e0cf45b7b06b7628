"""One request to the API and its answer: as an example on a page, and as a shape to compare."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.urls import resolve

HEADERS_SHOWN = ("Ledger-Position", "Idempotent-Replayed", "Retry-After", "WWW-Authenticate")
WIDTH = 88
_EXAMPLE = re.compile(
    r"^### (?P<title>.+?)\n\n```http\n(?P<request>.+?)\n```\n\n```http\n(?P<answer>.+?)\n```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One example; `sent` and `answer` are JSON, or text in brackets for what is none."""

    title: str
    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    sent: Any
    status: int
    answer_headers: tuple[tuple[str, str], ...]
    answer: Any

    @property
    def route(self) -> str:
        """The path as api/urls.py writes it."""
        return f"/{resolve(self.path.partition('?')[0]).route}"

    @property
    def shape(self) -> Any:
        """What must stay the same from run to run: names, types, status and codes."""
        return (
            self.title,
            self.method,
            self.route,
            sorted(name for name, _ in self.headers),
            self.status,
            sorted(name for name, _ in self.answer_headers),
            shape_of(self.answer),
        )

    def render(self) -> str:
        """Return the example as it stands on the page."""
        request = _message(f"{self.method} {self.path}", self.headers, self.sent)
        status = f"{self.status} {HTTPStatus(self.status).phrase}"
        answer = _message(status, self.answer_headers, self.answer)
        return f"### {self.title}\n\n```http\n{request}\n```\n\n```http\n{answer}\n```\n"


def shape_of(value: Any) -> Any:
    """Return the names and types of a JSON value; codes of errors and bracketed text as such."""
    if isinstance(value, dict):
        return {name: inner if name == "code" else shape_of(inner) for name, inner in value.items()}
    if isinstance(value, list):
        shapes = [shape_of(inner) for inner in value]
        return [one for number, one in enumerate(shapes) if one not in shapes[:number]]
    if isinstance(value, str) and value.startswith("("):
        return value
    return type(value).__name__


def read_page(page: str) -> Iterator[Exchange]:
    """Yield the examples of a page."""
    for found in _EXAMPLE.finditer(page):
        request, headers, sent = _parts(found["request"])
        method, path = request.split(" ", 1)
        status, answer_headers, answer = _parts(found["answer"])
        yield Exchange(
            title=found["title"],
            method=method,
            path=path,
            headers=headers,
            sent=sent,
            status=int(status.partition(" ")[0]),
            answer_headers=answer_headers,
            answer=answer,
        )


def _message(first: str, headers: tuple[tuple[str, str], ...], body: Any) -> str:
    lines = [first, *(f"{name}: {value}" for name, value in headers)]
    if body is None:
        return "\n".join(lines)
    text = body if isinstance(body, str) else _compact(body, "")
    return "\n".join([*lines, "", text])


def _compact(value: Any, indent: str) -> str:
    """Return JSON in which what fits on a line stands on one."""
    line = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(line) <= WIDTH or not isinstance(value, dict | list):
        return line
    inner = f"{indent}  "
    if isinstance(value, dict):
        parts = [f"{json.dumps(name)}: {_compact(one, inner)}" for name, one in value.items()]
    else:
        parts = [_compact(one, inner) for one in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return f"{opening}\n{inner}" + f",\n{inner}".join(parts) + f"\n{indent}{closing}"


def _parts(message: str) -> tuple[str, tuple[tuple[str, str], ...], Any]:
    head, _, body = message.partition("\n\n")
    first, *lines = head.split("\n")
    headers = tuple((name, value) for name, _, value in (line.partition(": ") for line in lines))
    if not body:
        return first, headers, None
    return first, headers, body if body.startswith("(") else json.loads(body)
