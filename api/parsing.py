"""Request bodies: strict JSON of a bounded size."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from api.errors import Problem
from core.strict_json import MAX_DEPTH, NotJson, TooDeep, decoded


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
            return decoded(raw)
        except NotJson:
            raise ParseError(code="malformed_json") from None
        except TooDeep:
            raise Problem(400, "json_too_deep", details={"limit_levels": MAX_DEPTH}) from None
