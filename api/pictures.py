"""Training pictures on their way in: checked before anything is written, stored, then added."""

from typing import Any
from uuid import UUID

from rest_framework.request import Request

from api.errors import FieldProblem, Problem
from api.messages import message
from core.ids import new_id
from core.images.outline import PictureRefused
from core.images.picture import MAX_PICTURE_BYTES, Picture, check_picture
from core.storage import store
from ledger.domain.dataset import AddImage
from ledger.objects import image_key
from ledger.terms import terms

PICTURES = "images"

Checked = list[tuple[bytes, Picture]]


def picture_files(request: Request, field: str, *, required: bool = True) -> list[bytes]:
    """Return the files sent as `field`, at most what a style may have, each within its limit.

    Raises 422 about the field.
    """
    files: list[Any] = request.FILES.getlist(field) if hasattr(request.FILES, "getlist") else []
    if not files and required:
        raise FieldProblem(field, "required")
    if len(files) > terms().max_images:
        raise Problem(422, "too_many_images", details={"maximum": terms().max_images})
    return [_read(file, f"{field}.{number}") for number, file in enumerate(files)]


def _read(file: Any, field: str) -> bytes:
    if file.size > MAX_PICTURE_BYTES:
        raise FieldProblem(field, "too_large")
    data: bytes = file.read()
    return data


def check_pictures(files: list[bytes], field: str = PICTURES) -> Checked:
    """Return each file with what it shows; raises 422 naming the first that is no picture."""
    checked: Checked = []
    known: set[str] = set()
    for number, data in enumerate(files):
        picture = check(data, f"{field}.{number}")
        if picture.sha256 in known:
            raise FieldProblem(f"{field}.{number}", "duplicate_image")
        known.add(picture.sha256)
        checked.append((data, picture))
    return checked


def check(data: bytes, field: str) -> Picture:
    """Return what `data` shows; raises 422 about `field` with the check's own code."""
    try:
        return check_picture(data)
    except PictureRefused as refused:
        text = message(refused.code, default=str(refused))
        raise FieldProblem(field, {"code": refused.code, "message": text}) from None


def image_commands(style_id: UUID, artist_id: UUID, pictures: Checked) -> list[AddImage]:
    """Store checked pictures and return the commands that add them."""
    return [
        image_command(style_id, artist_id, new_id(artist_id), data, picture)
        for data, picture in pictures
    ]


def image_command(
    style_id: UUID, artist_id: UUID, image_id: UUID, data: bytes, picture: Picture
) -> AddImage:
    """Store one checked picture and return the command that adds it."""
    key = image_key(style_id, picture.sha256)
    store().keep(key, data, picture.content_type)
    return AddImage(
        style_id=style_id,
        artist_id=artist_id,
        image_id=image_id,
        key=key,
        sha256=picture.sha256,
        bytes=picture.bytes,
        content_type=picture.content_type,
        width=picture.width,
        height=picture.height,
    )
