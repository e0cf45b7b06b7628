"""Requests as a view sees them, made without a server."""

import json
from typing import Any

from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from api.parsing import StrictJSONParser


def request(
    path: str = "/", body: Any = None, *, method: str = "POST", form: Any = None, **headers: str
) -> Request:
    """Return a request with a JSON body (or a multipart `form`) and `Some_Header=` headers."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    factory = APIRequestFactory()
    if form is not None:
        plain = factory.post(path, form, format="multipart", headers=named)
    else:
        data = b"" if body is None else json.dumps(body).encode()
        plain = factory.generic(method, path, data, "application/json", headers=named)
    return Request(plain, parsers=[StrictJSONParser(), MultiPartParser()])
