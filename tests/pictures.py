"""Pictures for tests: real ones, small on disk, each different from the next."""

import io
from functools import cache

from PIL import Image


@cache
def picture(number: int, *, size: tuple[int, int] = (512, 512), kind: str = "PNG") -> bytes:
    """Return the picture `number`: a gradient of its own colour."""
    tint = (number * 37 % 256, number * 91 % 256, number * 151 % 256)
    gradient = Image.linear_gradient("L").resize(size)
    bands = [gradient.point([value * share // 255 for value in range(256)]) for share in tint]
    drawn = Image.merge("RGB", bands)
    drawn.putpixel((0, 0), (number % 256, number // 256 % 256, 1))
    written = io.BytesIO()
    drawn.save(written, kind)
    return written.getvalue()
