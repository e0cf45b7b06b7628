"""The one shape of an error, by HTTP and by queue, and the English of codes that both may say."""

from collections.abc import Mapping
from typing import Any

RETRYABLE = frozenset({425, 429, 500, 502, 503, 504})
NON_FIELD = "non_field_errors"
ENGLISH = {
    "control_characters": "Control characters are not allowed.",
    "internal_error": "Something went wrong on our side.",
    "invalid_fields": "Some fields are invalid.",
    "invalid_integer": "A whole number is required, not a string or a fraction.",
    "invalid_string": "A string is required.",
    "invalid_uuid": "A UUID is required.",
    "json_too_deep": "The body is nested too deeply.",
    "malformed_json": "The body is not valid JSON in UTF-8.",
    "operator_only": "Only operators can perform this action.",
    "scope_missing": "This API key lacks the scope that the action needs.",
    "unknown_field": "There is no such field.",
    "user_only": "Only users and artists can perform this action.",
}

Fault = dict[str, str]
Faults = dict[str, list[Fault]]


def error_body(
    status: int,
    code: str,
    text: str,
    *,
    details: Mapping[str, Any] | None = None,
    request_id: str | None = None,
) -> dict[str, Any]:
    """Return the error object; the status tells whether the same request may be sent again."""
    return {
        "error": {
            "code": code,
            "message": text,
            "details": dict(details or {}),
            "retryable": status in RETRYABLE,
            "request_id": request_id,
        }
    }


def field_errors(full: Any) -> Faults:
    """Flatten REST framework's nested details to `{"items.3.amount": [{code, message}]}`."""
    found: Faults = {}
    _collect(full, "", found)
    return found


def _collect(node: Any, path: str, found: Faults) -> None:
    if _is_fault(node):
        fault = {"code": str(node["code"]), "message": str(node["message"])}
        found.setdefault(path or NON_FIELD, []).append(fault)
    elif isinstance(node, Mapping):
        for name, inner in node.items():
            _collect(inner, _joined(path, str(name)), found)
    else:
        for index, inner in enumerate(node):
            _collect(inner, path if _is_fault(inner) else _joined(path, str(index)), found)


def _is_fault(node: Any) -> bool:
    """Tell a fault from a body whose own fields are called `message` and `code`."""
    return (
        isinstance(node, Mapping)
        and node.keys() == {"message", "code"}
        and isinstance(node["message"], str)
    )


def _joined(path: str, name: str) -> str:
    if name == NON_FIELD and path:
        return path
    return f"{path}.{name}" if path else name
