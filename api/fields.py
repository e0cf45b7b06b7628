"""`?fields=a,b`: only the named fields of each object (design section 10)."""

from typing import Any

from rest_framework.request import Request

from api.errors import FieldProblem


class Fields:
    """The fields that one kind of object has."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names

    def asked(self, request: Request) -> tuple[str, ...] | None:
        """Return the fields asked for, None for all; raises 422 for an unknown name."""
        text = request.query_params.get("fields")
        if text is None:
            return None
        asked = tuple(text.split(","))
        if not set(asked) <= set(self.names):
            raise FieldProblem("fields", "unknown_field")
        return asked

    def only(self, body: dict[str, Any], asked: tuple[str, ...] | None) -> dict[str, Any]:
        """Return those of `body` that were asked for."""
        return body if asked is None else {name: body[name] for name in asked}
