"""Checks a picture: its outline first, at no cost, and only then by decoding it in full."""

import hashlib
import threading
from dataclasses import dataclass
from io import BytesIO
from typing import Literal

from PIL import Image

from core.images import jpeg, png
from core.images.outline import Outline, PictureRefused, undecodable

MAX_PICTURE_BYTES = 10 * 1024 * 1024
MAX_PIXELS = 40_000_000
MIN_SIDE_PIXELS = 512

Format = Literal["jpeg", "png"]

_OTHER_FORMATS = (b"GIF8", b"RIFF", b"BM", b"II*\0", b"MM\0*", b"\0\0\1\0", b"8BPS")
# 40 megapixels take up to 160 MB while they are decoded, as a progressive JPEG up to 320.
_decoding = threading.BoundedSemaphore(2)


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """A picture that decodes; width and height in pixels, `sha256` of the whole file as hex."""

    format: Format
    width: int
    height: int
    sha256: str
    bytes: int

    @property
    def content_type(self) -> str:
        """The media type to serve it with."""
        return f"image/{self.format}"


def check_picture(
    data: bytes, *, max_bytes: int = MAX_PICTURE_BYTES, min_side: int = MIN_SIDE_PIXELS
) -> Picture:
    """Return what `data` shows if it is a whole JPEG or PNG by content (design section 8).

    Raises PictureRefused. Metadata (EXIF, profiles, texts) is never parsed: the decoder sees
    the picture alone, so it has nothing to warn about.
    """
    if len(data) > max_bytes:
        raise PictureRefused("too_large", f"The file has more than {max_bytes} bytes.")
    kind = _format(data)
    outline = (png if kind == "png" else jpeg).read_outline(data)
    _check_size(outline, min_side)
    with _decoding:
        _decode(kind, outline)
    return Picture(
        format=kind,
        width=outline.width,
        height=outline.height,
        sha256=hashlib.sha256(data).hexdigest(),
        bytes=len(data),
    )


def _format(data: bytes) -> Format:
    if data.startswith(png.SIGNATURE):
        return "png"
    if data.startswith(jpeg.SIGNATURE):
        return "jpeg"
    if data.startswith(_OTHER_FORMATS) or data[4:8] == b"ftyp":  # HEIC and AVIF
        raise PictureRefused("unsupported_format", "Only JPEG and PNG pictures are taken.")
    raise PictureRefused("not_an_image", "The file is not a picture.")


def _check_size(outline: Outline, min_side: int) -> None:
    if outline.width * outline.height > MAX_PIXELS:
        raise PictureRefused("too_many_pixels", f"The picture has over {MAX_PIXELS} pixels.")
    if min(outline.width, outline.height) < min_side:
        raise PictureRefused("too_small", f"Each side needs at least {min_side} pixels.")


def _decode(kind: Format, outline: Outline) -> None:
    """Decode every pixel; raises PictureRefused when that fails."""
    try:
        with Image.open(BytesIO(outline.bare), formats=[kind]) as image:
            if image.size != (outline.width, outline.height):
                raise undecodable()
            # A JPEG may be decoded to an eighth of its size: all of it is read all the same.
            image.draft(None, (outline.width // 8, outline.height // 8))
            image.load()
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise undecodable() from error
