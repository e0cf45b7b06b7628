"""Request bodies and fields, stricter than REST framework's: no number in quotes, no surprise."""

import unicodedata
from collections.abc import Mapping
from typing import Any, NoReturn
from uuid import UUID

import orjson
from django.conf import settings
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.utils import html

from api.errors import Problem
from api.messages import message
from ledger.domain.money import MAX_AMOUNT

MAX_DEPTH = 32  # what we take in is far flatter; a fingerprint is made by recursion


class StrictJSONParser(BaseParser):
    """JSON in UTF-8, of bounded size and depth, without NaN, lone surrogates or trailing text."""

    media_type = "application/json"

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the decoded body; raises 400 `malformed_json` or 413."""
        raw = stream.read(settings.MAX_JSON_BYTES + 1)
        if len(raw) > settings.MAX_JSON_BYTES:
            raise Problem(
                413, "payload_too_large", details={"limit_bytes": settings.MAX_JSON_BYTES}
            )
        try:
            body = orjson.loads(raw)
        except orjson.JSONDecodeError:
            raise ParseError(code="malformed_json") from None
        if _is_deeper(body, MAX_DEPTH):
            raise Problem(400, "json_too_deep", details={"limit_levels": MAX_DEPTH})
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


class _Strict(serializers.Field[Any, Any, Any, Any]):
    """What the strict fields share: one refusal with a code of ours, in the reader's language."""

    def refuse(self, code: str) -> NoReturn:
        raise serializers.ValidationError(message(code), code=code)


class StrictIntegerField(serializers.IntegerField, _Strict):
    """A JSON integer; "5", 5.0 and true are refused. A form's field is text, so digits pass."""

    def to_internal_value(self, data: Any) -> int:
        """Return the integer, or raise `invalid_integer`."""
        if isinstance(data, str) and html.is_html_input(getattr(self.root, "initial_data", None)):
            return super().to_internal_value(data)
        if type(data) is not int:
            self.refuse("invalid_integer")
        return data


class TokensField(StrictIntegerField):
    """An amount of tokens, within what one movement may have."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"min_value": 1, "max_value": MAX_AMOUNT} | kwargs)


class StrictCharField(serializers.CharField, _Strict):
    """A JSON string; numbers are refused, control characters too. Spaces are kept."""

    allowed_controls = frozenset[str]()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"trim_whitespace": False} | kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Return the string unchanged, or raise `invalid_string` or `control_characters`."""
        if not isinstance(data, str):
            self.refuse("invalid_string")
        if any(is_control(one) and one not in self.allowed_controls for one in data):
            self.refuse("control_characters")
        return super().to_internal_value(data)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """Refuse what is only white space, as REST framework does for trimmed fields."""
        if isinstance(data, str) and not data.strip() and not self.allow_blank:
            self.fail("blank")
        return super().run_validation(data)


class ParagraphField(StrictCharField):
    """A longer text in which line breaks and tabs are allowed."""

    allowed_controls = frozenset("\n\r\t")


class StrictBooleanField(serializers.BooleanField, _Strict):
    """JSON true or false; a form's "true" passes."""

    def to_internal_value(self, data: Any) -> bool:
        """Return the boolean, or raise `invalid`."""
        if not isinstance(data, bool) and not html.is_html_input(
            getattr(self.root, "initial_data", None)
        ):
            self.fail("invalid", input=data)
        return bool(super().to_internal_value(data))


class StrictUUIDField(serializers.UUIDField, _Strict):
    """A UUID in its 36-character form."""

    def to_internal_value(self, data: Any) -> UUID:
        """Return the UUID, or raise `invalid_uuid`."""
        if not isinstance(data, str) or len(data) != 36:
            self.refuse("invalid_uuid")
        try:
            return UUID(data)
        except ValueError:
            self.refuse("invalid_uuid")


def is_control(character: str) -> bool:
    """Return whether the character is a control character or a lone surrogate."""
    return unicodedata.category(character) in {"Cc", "Cs"}
