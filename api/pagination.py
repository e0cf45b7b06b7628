"""Keyset pages: `limit` rows after an opaque signed cursor, never an offset.

A view asks `Page.of(request, "list name")`, fetches `page.limit + 1` rows after `page.after`,
and answers `page.answer(rows, key=..., render=...)`.
"""

import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from django.core import signing
from django.db.models import Model, Q, QuerySet
from rest_framework.request import Request

from api.errors import FieldProblem
from projections.reading import Dated, Mark

DEFAULT_LIMIT = 20
MAX_LIMIT = 100
_MAX_CURSOR_LENGTH = 500
_EPOCH = datetime.fromtimestamp(0, UTC)
Row = TypeVar("Row")
AnyModel = TypeVar("AnyModel", bound=Model)
Key = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """What one request asks of one list."""

    list_name: str
    limit: int
    after: Key | None

    @classmethod
    def of(cls, request: Request, list_name: str) -> "Page":
        """Return the page asked for; raises 422 for a foreign or altered cursor or a wild limit.

        The cursor is bound to `list_name`: name the path and whatever filters narrow it.
        """
        cursor = request.query_params.get("cursor")
        return cls(list_name, _limit(request), _read(cursor, list_name) if cursor else None)

    def answer(
        self, rows: Sequence[Row], *, key: Callable[[Row], Key], render: Callable[[Row], Any]
    ) -> dict[str, Any]:
        """Return `{results, next_cursor, has_more}` of up to `limit` + 1 fetched rows.

        `key` gives the values of a row by which the list is ordered.
        """
        shown = rows[: self.limit]
        has_more = len(rows) > self.limit
        return {
            "results": [render(row) for row in shown],
            "next_cursor": _signer(self.list_name).sign_object(list(key(shown[-1])))
            if has_more
            else None,
            "has_more": has_more,
        }

    def newest_first(self, queryset: QuerySet[AnyModel]) -> list[AnyModel]:
        """Return `limit` + 1 rows of a queryset by descending id (a UUIDv7 grows with time)."""
        if self.after is not None:
            queryset = queryset.filter(Q(pk__lt=self.after[0]))
        return list(queryset.order_by("-pk")[: self.limit + 1])


def mark_key(row: Dated) -> Key:
    """Return the key of a row of a projection that is listed by age, for `Page.answer`."""
    return (row.created_at - _EPOCH) // datetime.resolution, str(row.id)


def mark_of(page: Page) -> Mark | None:
    """Return where a list by age goes on, None at its beginning."""
    if page.after is None:
        return None
    microseconds, identifier = page.after
    return Mark(_EPOCH + datetime.resolution * int(microseconds), UUID(str(identifier)))


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", str(DEFAULT_LIMIT))
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= MAX_LIMIT):
        raise FieldProblem("limit", "invalid_limit")
    return int(text)


def _signer(list_name: str) -> signing.Signer:
    return signing.Signer(salt=f"cursor:{list_name}")


def _read(cursor: str, list_name: str) -> Key:
    if len(cursor) > _MAX_CURSOR_LENGTH:
        raise FieldProblem("cursor", "invalid_cursor")
    try:
        return tuple(_signer(list_name).unsign_object(cursor))
    except (signing.BadSignature, ValueError, binascii.Error):
        raise FieldProblem("cursor", "invalid_cursor") from None
