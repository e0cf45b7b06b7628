"""`Idempotency-Key`: which request this is, so that a repetition gets the first answer (G7)."""

import hashlib
from collections.abc import Mapping
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse, QueryDict
from rest_framework.request import Request

from api.errors import Problem
from ledger import requests
from ledger.requests import KEY_FORM

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"


def idempotency_key(request: Request, *, required: bool = True) -> str | None:
    """Return the request's key; None if it has none and needs none.

    Raises 400 `idempotency_key_required` or `idempotency_key_invalid`.
    """
    given = request.headers.get(HEADER)
    if given is None:
        if required:
            raise Problem(400, "idempotency_key_required")
        return None
    if not KEY_FORM.fullmatch(given):
        raise Problem(400, "idempotency_key_invalid")
    return given


def fingerprint(request: Request) -> str:
    """Return the request's fingerprint; uploaded files count by content."""
    route = f"{request.method} {request.path.rstrip('/')}"
    return requests.fingerprint(route, _canonical(request.data))


def _canonical(value: Any) -> Any:
    """Return `value` with forms as lists and files as their SHA-256."""
    if isinstance(value, QueryDict):
        return {name: [_canonical(one) for one in value.getlist(name)] for name in value}
    if isinstance(value, UploadedFile):
        return {"sha256": _file_digest(value), "bytes": value.size}
    if isinstance(value, Mapping):
        return {name: _canonical(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_canonical(inner) for inner in value]
    return value


def _file_digest(file: "UploadedFile[Any]") -> str:
    digest = hashlib.sha256()
    file.seek(0)
    for chunk in file.chunks():
        digest.update(chunk)
    file.seek(0)
    return digest.hexdigest()


def mark_replayed(response: HttpResponse) -> None:
    """Say that this answer was given before and nothing moved now."""
    response[REPLAYED] = "true"
