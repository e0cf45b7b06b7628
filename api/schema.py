"""The OpenAPI document at `/api/schema/` and a page that shows it, without a foreign server."""

import functools
from pathlib import Path
from typing import Any

import orjson
from django.conf import settings
from django.http import Http404, HttpResponse
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.views import APIView

from api.pagination import DEFAULT_LIMIT, MAX_LIMIT
from api.permissions import Anyone

FOLDER = Path(__file__).with_name("docs")
_KINDS = {"index.html": "text/html", "docs.js": "text/javascript", "docs.css": "text/css"}
_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'"


@functools.cache  # the same row is the same component
def paged(row: type[serializers.BaseSerializer[Any]]) -> serializers.Serializer[Any]:
    """Return the schema of a page of `row`s."""
    return inline_serializer(
        name=f"Page{row.__name__.removesuffix('Serializer')}",
        fields={
            "results": row(many=True),
            "next_cursor": serializers.CharField(allow_null=True),
            "has_more": serializers.BooleanField(),
        },
    )


class Schema(AutoSchema):
    """What the generator cannot see by itself: permissions per method, and a write's header."""

    def get_auth(self) -> list[dict[str, Any]]:
        """Add "nothing" to the ways in where this method is open to anyone."""
        ways: list[dict[str, Any]] = super().get_auth()
        permissions = self.view.get_permissions()
        allowed = [getattr(one, "by_method", {}).get(self.method) for one in permissions]
        return [*ways, {}] if Anyone in allowed else ways

    def get_override_parameters(self) -> list[Any]:
        """Name the Idempotency-Key that every POST takes but those of `auth/` and the machines."""
        if self.method != "POST" or self.path.startswith(_WITHOUT_KEY):
            return []
        return [_IDEMPOTENCY_KEY]


_WITHOUT_KEY = ("/api/auth/", "/api/webhooks/", "/api/worker/", "/api/sandbox/")
_IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    location=OpenApiParameter.HEADER,
    pattern=r"^[\x21-\x7e]{1,255}$",
    description="Repeats of a request with the same key get the first answer. Whatever moves"
    " tokens requires it.",
)


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call] # its base is
    """Tell the generator what an API key looks like."""

    target_class = "api.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        """Return the scheme's entry in the document."""
        return {"type": "http", "scheme": "bearer", "description": "An API key: tl_..."}


class CookieScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call] # its base is
    """Tell the generator what a session looks like."""

    target_class = "api.authentication.CookieAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        """Return the scheme's entry in the document."""
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "Writes also need the header X-CSRFToken.",
        }


class WorkerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call] # its base is
    """Tell the generator how a worker proves who it is."""

    target_class = "api.worker_auth.WorkerSignature"
    name = "worker"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        """Return the scheme's entry in the document."""
        return {
            "type": "apiKey",
            "in": "header",
            "name": "webhook-signature",
            "description": "Standard Webhooks, with webhook-id, webhook-timestamp, X-Worker-Id.",
        }


def in_one_spelling(endpoints: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Leave out the spelling with a slash where a path is answered with and without."""
    paths = {path for path, *_ in endpoints}
    return [one for one in endpoints if one[0].removesuffix("/") not in paths - {one[0]}]


def add_shared(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Give every operation the one shape of error, and every list its cursor and limit."""
    components = result.setdefault("components", {}).setdefault("schemas", {})
    components["Error"] = _ERROR
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    for operations in result["paths"].values():
        for operation in operations.values():
            operation["responses"]["default"] = {"description": "Refused.", "content": content}
            if _is_paged(operation):
                operation["parameters"] = [*operation.get("parameters", []), *_PAGE_PARAMETERS]
    return result


def _is_paged(operation: dict[str, Any]) -> bool:
    answer = operation["responses"].get("200", {}).get("content", {}).get("application/json", {})
    return str(answer.get("schema", {}).get("$ref")).startswith("#/components/schemas/Page")


_PAGE_PARAMETERS = [
    {
        "name": "cursor",
        "in": "query",
        "description": "The `next_cursor` of the page before.",
        "schema": {"type": "string"},
    },
    {
        "name": "limit",
        "in": "query",
        "description": "Rows of a page.",
        "schema": {
            "type": "integer",
            "minimum": 1,
            "maximum": MAX_LIMIT,
            "default": DEFAULT_LIMIT,
        },
    },
]


_FAULT = {
    "type": "object",
    "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
    "required": ["code", "message"],
}
_ERROR_FIELDS: dict[str, Any] = {
    "code": {"type": "string", "description": "Stable and never translated."},
    "message": {"type": "string", "description": "In the language of Accept-Language: en, ko."},
    "details": {
        "type": "object",
        "additionalProperties": {"anyOf": [{}, {"type": "array", "items": _FAULT}]},
        "description": "With code invalid_fields: a list of faults per field.",
    },
    "retryable": {"type": "boolean"},
    "request_id": {"type": "string", "nullable": True},
}
_ERROR = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": _ERROR_FIELDS,
            "required": list(_ERROR_FIELDS),
        }
    },
    "required": ["error"],
}


@functools.cache
def document() -> bytes:
    """Return the OpenAPI document as JSON; it is the same for everybody, so it is made once."""
    schema = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call] # drf-spectacular types it not
    return orjson.dumps(schema)


class SchemaView(APIView):
    """The OpenAPI document."""

    permission_classes = [Anyone]

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        return HttpResponse(document(), content_type="application/json")


class DocsView(APIView):
    """The page that shows the document; its script and style come from here as well."""

    permission_classes = [Anyone]

    @extend_schema(exclude=True)
    def get(self, request: Request, name: str = "index.html") -> HttpResponse:
        kind = _KINDS.get(name)
        if kind is None:
            raise Http404
        content = (FOLDER / name).read_bytes()
        response = HttpResponse(content, content_type=f"{kind}; charset=utf-8")
        response["Content-Security-Policy"] = _POLICY
        return response
