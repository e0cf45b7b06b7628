"""Fields stricter than REST framework's: no number in quotes, no surprise. No token word here."""

import unicodedata
from typing import Any, NoReturn
from uuid import UUID

from rest_framework import serializers
from rest_framework.utils import html

from core.refusals import ENGLISH


class _Strict(serializers.Field[Any, Any, Any, Any]):
    """What the strict fields share: one refusal with a code; its English where that is shared."""

    def refuse(self, code: str) -> NoReturn:
        raise serializers.ValidationError(ENGLISH.get(code, ""), code=code)


class StrictIntegerField(serializers.IntegerField, _Strict):
    """A JSON integer; "5", 5.0 and true are refused. A form's field is text, so digits pass."""

    def to_internal_value(self, data: Any) -> int:
        """Return the integer, or raise `invalid_integer`."""
        if isinstance(data, str) and html.is_html_input(getattr(self.root, "initial_data", None)):
            return super().to_internal_value(data)
        if type(data) is not int:
            self.refuse("invalid_integer")
        return data


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
