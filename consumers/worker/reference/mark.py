"""Finishes a picture: the artist's visible mark at the lower right, provenance in the PNG."""

import io
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from consumers.worker.reference.colour import Pixels

DEFAULT_MARK = "AI"
MAX_MARK = 40

_WIDEST = 0.5
_LEAST_SIZE = 10
_WIDE_SCRIPT_FONTS = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansKR-Regular.otf",
    "NanumGothic.ttf",
    "AppleSDGothicNeo.ttc",
    "malgun.ttf",
    "DejaVuSans.ttf",
)
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def signed(picture: Pixels, name: str) -> Image.Image:
    """Draw `name` at the lower right: light on dark ground, dark on light, with a thin rim.

    A name whose script no font of this machine has, or an empty one, becomes "AI".
    """
    image = Image.fromarray(picture)
    side = min(image.size)
    text = _drawable(name)
    size = max(14, side // 24)
    font = _font_for(text, size)
    draw = ImageDraw.Draw(image)
    while draw.textlength(text, font=font) > image.width * _WIDEST:
        size, text = (size - 1, text) if size > _LEAST_SIZE else (size, text[:-1])
        font = _font_for(text, size)
    margin = side // 40
    at = image.width - margin, image.height - margin
    box = draw.textbbox(at, text, font=font, anchor="rd")
    corner = picture[max(0, int(box[1])) :, max(0, int(box[0])) :]
    ink, rim = ("#f4f1ea", "#101010") if float(np.mean(corner)) < 128 else ("#181412", "#f4f1ea")
    draw.text(at, text, font=font, anchor="rd", fill=ink, stroke_width=1, stroke_fill=rim)
    return image


def _drawable(name: str) -> str:
    """Return the name on one line and cut to MAX_MARK characters, or the default."""
    text = " ".join("".join(c if c.isprintable() else " " for c in name).split())[:MAX_MARK].strip()
    return text if text and _font_name(text) is not None else DEFAULT_MARK


def _font_for(text: str, size: int) -> Font:
    name = _font_name(text)
    return ImageFont.truetype(name, size) if name else ImageFont.load_default(size)


@lru_cache(maxsize=256)
def _font_name(text: str) -> str | None:
    """Return the first font with all the letters: "" is Pillow's own; None if there is none."""
    if _has_letters(ImageFont.load_default(16), text):
        return ""
    for name in _WIDE_SCRIPT_FONTS:
        try:
            font = ImageFont.truetype(name, 16)
        except OSError:
            continue
        if _has_letters(font, text):
            return name
    return None


def _has_letters(font: Font, text: str) -> bool:
    """Tell whether no letter looks like one that no font has."""
    missing = bytes(font.getmask("\U0010fffd"))
    return all(bytes(font.getmask(c)) != missing for c in text if not c.isspace())


def png_bytes(image: Image.Image, provenance: Mapping[str, str]) -> bytes:
    """Return the picture as PNG with each provenance fact in a text chunk of its own."""
    chunks = PngInfo()
    for key, value in provenance.items():
        chunks.add_text(key, value)
    out = io.BytesIO()
    image.save(out, format="PNG", pnginfo=chunks, compress_level=6)
    return out.getvalue()
