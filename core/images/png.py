"""Reads the outline of a PNG: every chunk is walked, none is decoded."""

import struct
import zlib

from core.images.outline import Outline, PictureRefused, more_than_a_picture, undecodable

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_MAX_CHUNKS = 20_000
# Pillow refuses a longer text or profile, so whoever opens the picture later may rely on it.
_MAX_UNPACKED_BYTES = 1024 * 1024
_NEEDED = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
_IS_ANCILLARY = 0x20  # set in the first letter of every chunk that a decoder may skip


def read_outline(data: bytes) -> Outline:
    """Return the outline of the PNG `data`.

    Raises PictureRefused when it is cut, its checksums do not match, it is animated, other
    content follows, or its texts or colour profile unpack to more than 1 MiB.
    """
    chunks: list[memoryview] = []
    size = (0, 0)
    unpacked_bytes = 0
    view = memoryview(data)
    position = len(SIGNATURE)
    for number in range(_MAX_CHUNKS):
        kind, end = _read_chunk(view, position)
        content = view[position + 8 : end - 4]
        if (number == 0) != (kind == b"IHDR"):
            raise undecodable()
        if kind == b"IHDR":
            size = _read_size(content)
        elif kind == b"acTL":
            raise PictureRefused("unsupported_format", "An animated PNG is not taken.")
        elif kind in _PACKED:
            unpacked_bytes += _unpacked_bytes(kind, bytes(content))
            if unpacked_bytes > _MAX_UNPACKED_BYTES:
                raise PictureRefused("too_large", "The texts in the picture are too large.")
        if kind in _NEEDED:
            chunks.append(view[position:end])
        elif not kind[0] & _IS_ANCILLARY:
            raise undecodable()
        if kind == b"IEND":
            if end != len(data):
                raise more_than_a_picture()
            return Outline(*size, b"".join([SIGNATURE, *chunks]))
        position = end
    raise undecodable("The picture has too many parts.")


def _read_chunk(view: memoryview, position: int) -> tuple[bytes, int]:
    """Return kind and end of the chunk at `position`, its checksum verified."""
    if position + 12 > len(view):
        raise undecodable()
    (length,) = struct.unpack_from(">I", view, position)
    end = position + 12 + length
    if end > len(view):
        raise undecodable()
    (checksum,) = struct.unpack_from(">I", view, end - 4)
    if zlib.crc32(view[position + 4 : end - 4]) != checksum:
        raise undecodable()
    return bytes(view[position + 4 : position + 8]), end


def _read_size(content: memoryview) -> tuple[int, int]:
    if len(content) != 13:
        raise undecodable()
    width, height = struct.unpack_from(">II", content)
    return width, height


def _unpacked_bytes(kind: bytes, content: bytes) -> int:
    """Return how long the packed text or profile is, counted to just over the limit."""
    packed = _PACKED[kind](content)
    try:
        return len(zlib.decompressobj().decompress(packed, _MAX_UNPACKED_BYTES + 1))
    except zlib.error as error:
        raise undecodable() from error


def _after_name(content: bytes) -> bytes:
    """Return what follows `name NUL method`."""
    return content.partition(b"\0")[2][1:]


def _of_international_text(content: bytes) -> bytes:
    """Return the packed text after `name NUL flag method language NUL translated NUL`."""
    rest = content.partition(b"\0")[2]
    if rest[:1] != b"\1":
        return zlib.compress(b"")
    return rest[2:].partition(b"\0")[2].partition(b"\0")[2]


_PACKED = {b"zTXt": _after_name, b"iCCP": _after_name, b"iTXt": _of_international_text}
