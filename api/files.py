"""The door of the local object storage: `/files/{token}`; nothing but the token opens it."""

import hashlib
import re
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header
from django.views.decorators.csrf import csrf_exempt

from api.body_limit import FORM_BYTES
from api.errors import body
from api.messages import message
from core.storage import (
    MAX_OBJECT_BYTES,
    LocalStore,
    ObjectTooLarge,
    StorageError,
    local_store,
)
from core.storage.links import Link
from core.storage.local import Draft

_CHUNK_BYTES = 64 * 1024
_CACHE_SECONDS = 300


class UploadInvalid(StorageError):
    """The upload is not one complete file in the form that we gave."""

    status = 400
    code = "upload_invalid"


class UnsupportedMediaType(StorageError):
    """The content type is not the one of the form."""

    status = 415
    code = "unsupported_media_type"


class MethodNotAllowed(StorageError):
    """A file answers to GET, HEAD, POST and PUT only."""

    status = 405
    code = "method_not_allowed"


@csrf_exempt  # the token allows one operation on one key; no cookie is looked at
def files(request: HttpRequest, token: str) -> HttpResponse:
    """Answer with the file that `token` names, or take the upload that it allows."""
    try:
        return _ACTIONS.get(request.method or "", _refuse_method)(request, token)
    except StorageError as error:
        return _refusal(error)


def _download(request: HttpRequest, token: str) -> HttpResponse:
    store = local_store()
    link = store.open_link(token, "get")
    data = store.read(link.key, MAX_OBJECT_BYTES)
    content_type = link.content_type or _content_type(data)
    etag = f'"{hashlib.sha256(data).hexdigest()}"'
    answer = HttpResponse(data, content_type=content_type)
    answer["ETag"] = etag
    answer["Cache-Control"] = f"private, max-age={_CACHE_SECONDS}"
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Content-Security-Policy"] = "default-src 'none'; sandbox"
    answer["Content-Disposition"] = _disposition(link, content_type)
    return get_conditional_response(request, etag=etag, response=answer) or answer


def _upload_form(request: HttpRequest, token: str) -> HttpResponse:
    """Take a multipart form: the fields that we gave, then one file named `file`."""
    store = local_store()
    link = store.open_link(token, "put")
    _refuse_announced(request, link.max_bytes + FORM_BYTES)
    if request.content_type != "multipart/form-data":
        raise UnsupportedMediaType
    with store.draft(link.max_bytes) as draft:
        taker = _FileTaker(draft, request)
        request.upload_handlers = [taker]
        try:
            fields = request.POST
        except (MultiPartParserError, SuspiciousOperation, UnreadablePostError) as error:
            raise UploadInvalid from error
        if not taker.is_complete:
            raise UploadInvalid
        return _place(store, link, draft, fields.get("Content-Type"))


def _upload_body(request: HttpRequest, token: str) -> HttpResponse:
    """Take the body as the file."""
    store = local_store()
    link = store.open_link(token, "put")
    announced = _refuse_announced(request, link.max_bytes)
    with store.draft(link.max_bytes) as draft:
        try:
            while chunk := request.read(_CHUNK_BYTES):
                draft.write(chunk)
        except UnreadablePostError as error:
            raise UploadInvalid from error
        if announced is not None and draft.bytes != announced:
            raise UploadInvalid
        return _place(store, link, draft, request.content_type)


def _refuse_method(request: HttpRequest, token: str) -> HttpResponse:
    raise MethodNotAllowed


def _place(store: LocalStore, link: Link, draft: Draft, content_type: str | None) -> HttpResponse:
    if content_type != link.content_type:
        raise UnsupportedMediaType
    store.receive(link, draft)
    return HttpResponse(status=204, headers={"ETag": f'"{draft.sha256}"'})


def _refuse_announced(request: HttpRequest, limit_bytes: int) -> int | None:
    """Return the announced length of the body, None for none; raises ObjectTooLarge."""
    announced = request.headers.get("Content-Length") or ""
    if not re.fullmatch(r"[0-9]{1,18}", announced, re.ASCII):
        return None
    if int(announced) > limit_bytes:
        raise ObjectTooLarge
    return int(announced)


def _content_type(data: bytes) -> str:
    """Return the type that the content shows; what we do not know is not for a browser."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    return "application/octet-stream"


def _disposition(link: Link, content_type: str) -> str:
    is_saved = bool(link.filename) or not content_type.startswith("image/")
    return content_disposition_header(is_saved, link.filename) or "inline"


def _refusal(error: StorageError) -> JsonResponse:
    text = message(error.code, default=str(error))
    return JsonResponse(body(error.status, error.code, text), status=error.status)


class _FileTaker(FileUploadHandler):
    """Writes the one file of a form to its draft while the form is parsed."""

    chunk_size = _CHUNK_BYTES

    def __init__(self, draft: Draft, request: HttpRequest) -> None:
        super().__init__(request)
        self._draft = draft
        self._files = 0
        self.is_complete = False

    def new_file(self, field_name: str, *args: Any, **kwargs: Any) -> None:
        """Refuse a second file and one in another field."""
        self._files += 1
        if self._files > 1 or field_name != "file":
            raise UploadInvalid

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Write the chunk; raises ObjectTooLarge over the limit of the link."""
        self._draft.write(raw_data)

    def file_complete(self, file_size: int) -> None:
        """Note that the boundary after the file was seen: it is not cut."""
        self.is_complete = True


_ACTIONS = {
    "GET": _download,
    "HEAD": _download,
    "POST": _upload_form,
    "PUT": _upload_body,
}
