"""One shape for every error that leaves the server, whoever raised it (design section 10).

Views raise `Problem`, `FieldProblem` or REST framework's exceptions; rules of the ledger pass
through unchanged. Nothing of an unexpected exception but its existence is told.
"""

import math
import sys
from collections.abc import Mapping
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework import exceptions
from rest_framework.response import Response

from api.messages import FIELD_MESSAGES, message
from core.logs import request_id
from core.refusals import RETRYABLE, Fault, Faults, error_body, field_errors
from core.storage import StorageError
from ledger.domain.errors import RuleBroken

log = structlog.get_logger(__name__)


class Problem(Exception):
    """A request that is refused, with a stable code; `text` is English for a code without one."""

    def __init__(
        self,
        status: int,
        code: str,
        *,
        details: Mapping[str, Any] | None = None,
        text: str = "",
        headers: Mapping[str, str] | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.details = dict(details or {})
        self.text = text
        self.headers = dict(headers or {})
        self.retry_after_seconds = retry_after_seconds

    @classmethod
    def of_rule(cls, rule: RuleBroken, *, is_replayed: bool = False) -> "Problem":
        """Return the refusal that a broken rule of the ledger is."""
        return cls(
            rule.status,
            rule.code,
            details=rule.details,
            text=rule.message,
            headers={"Idempotent-Replayed": "true"} if is_replayed else None,
            retry_after_seconds=1 if rule.status in RETRYABLE else None,
        )


class FieldProblem(Problem):
    """A 422 about fields, found where no serializer could find it."""

    def __init__(self, field: str, *faults: str | Fault) -> None:
        """Name the field and its faults: codes, or codes with a text of their own."""
        told = [
            {"code": fault, "message": message(fault)} if isinstance(fault, str) else fault
            for fault in faults
        ]
        super().__init__(422, "invalid_fields", details={field: told})


def body(
    status: int, code: str, text: str, details: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the error object of the request that is being answered."""
    return error_body(status, code, text, details=details, request_id=request_id())


def exception_handler(exc: Exception, context: Mapping[str, Any]) -> Response | None:
    """Answer an exception of a view; None (Django's 500) for what nobody foresaw."""
    problem = _problem(exc)
    if problem is None:
        return None
    return Response(_content(problem), status=problem.status, headers=_headers(problem))


def answer(problem: Problem) -> JsonResponse:
    """Answer a problem outside REST framework."""
    return JsonResponse(_content(problem), status=problem.status, headers=_headers(problem))


def _content(problem: Problem) -> dict[str, Any]:
    text = message(problem.code, default=problem.text)
    return body(problem.status, problem.code, text, problem.details)


def _headers(problem: Problem) -> dict[str, str]:
    if problem.retry_after_seconds is None:
        return problem.headers
    return problem.headers | {"Retry-After": str(max(1, math.ceil(problem.retry_after_seconds)))}


def _problem(exc: Exception) -> Problem | None:
    match exc:
        case Problem():
            return exc
        case RuleBroken():
            return Problem.of_rule(exc)
        case StorageError():
            return Problem(exc.status, exc.code, text=str(type(exc)()))  # not what it met
        case exceptions.ValidationError():
            return Problem(422, "invalid_fields", details=_faults(exc))
        case exceptions.APIException():
            return _of_rest_framework(exc)
        case OperationalError() | InterfaceError():
            log.error("database_unavailable", exc_info=exc)
            return Problem(503, "unavailable", retry_after_seconds=1)
        case _:
            return _of_django(exc)


def _faults(exc: exceptions.ValidationError) -> Faults:
    """Return the faults by field; texts of ours in the reader's language."""
    found = field_errors(exc.get_full_details())
    for fault in (one for faults in found.values() for one in faults):
        if fault["message"] in ("", FIELD_MESSAGES.get(fault["code"], ("", ""))[0]):
            fault["message"] = message(fault["code"])
    return found


def _of_django(exc: Exception) -> Problem | None:
    match exc:
        case Http404():
            return Problem(404, "not_found")
        case PermissionDenied():
            return Problem(403, "permission_denied")
        case RequestDataTooBig():
            return Problem(413, "payload_too_large")
        case SuspiciousOperation():
            return Problem(400, "bad_request")
        case _:
            return None


_CODES = {"parse_error": "malformed_request", "authentication_failed": "invalid_api_key"}


def _of_rest_framework(exc: exceptions.APIException) -> Problem:
    codes = exc.get_codes()
    code = codes if isinstance(codes, str) else "bad_request"
    challenge = getattr(exc, "auth_header", None)
    return Problem(
        exc.status_code,
        _CODES.get(code, code),
        headers={"WWW-Authenticate": challenge} if challenge else None,
        retry_after_seconds=getattr(exc, "wait", None),
    )


def bad_request(request: HttpRequest, exception: Exception) -> JsonResponse:
    """Answer what Django refuses before any view (a forged host, a broken form)."""
    if isinstance(exception, RequestDataTooBig):
        return answer(Problem(413, "payload_too_large"))
    return answer(Problem(400, "bad_request"))


def permission_denied(request: HttpRequest, exception: Exception) -> JsonResponse:
    """Answer a refusal raised outside REST framework."""
    return answer(Problem(403, "permission_denied"))


def csrf_failed(request: HttpRequest, reason: str = "") -> JsonResponse:
    """Answer a write of a plain Django view without the CSRF token."""
    return answer(Problem(403, "csrf_failed"))


def page_not_found(request: HttpRequest, exception: Exception) -> JsonResponse:
    """Answer a path that no route knows."""
    return answer(Problem(404, "not_found"))


def server_error(request: HttpRequest) -> JsonResponse:
    """Answer an exception that nobody foresaw: logged with its places, never told."""
    log.error("unexpected_exception", alarm=True, exc_info=sys.exc_info())
    return answer(Problem(500, "internal_error"))
