"""Reads the outline of a JPEG: every segment is walked, none is decoded."""

import re
import struct

from core.images.outline import Outline, PictureRefused, more_than_a_picture, undecodable

SIGNATURE = b"\xff\xd8\xff"

_MAX_SEGMENTS = 2_000
# Encoders write 10 to 20; each costs the time of the whole picture, however short it is.
_MAX_SCANS = 32
_START, _END, _SCAN, _COMMENT = 0xD8, 0xD9, 0xDA, 0xFE
_FRAMES = {0xC0, 0xC1, 0xC2}  # baseline, extended, progressive
_OTHER_FRAMES = {0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)}
_STANDALONE = {0x00, 0x01, *range(0xD0, 0xD8), _START}
_COLOUR_HINTS = {0xE0, 0xEE}  # JFIF and Adobe: which colours the components are
_METADATA = {*range(0xE0, 0xF0), _COMMENT} - _COLOUR_HINTS
# Inside a scan FF 00 is a byte and FF D0 to FF D7 are restarts; any other marker ends it.
_MARKER_AFTER_SCAN = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_SEGMENT_START = re.compile(rb"\xff+([^\xff])", re.DOTALL)


def read_outline(data: bytes) -> Outline:
    """Return the outline of the JPEG `data`.

    Raises PictureRefused when it is cut, of a rare kind, or other content follows.
    """
    size: tuple[int, int] | None = None
    needed = [data[:2]]
    scans = 0
    position = 2
    for _ in range(_MAX_SEGMENTS):
        marker, start = _read_marker(data, position)
        if marker == _END:
            if size is None or scans == 0:
                raise undecodable()
            if data[start:].strip(b"\0"):
                raise more_than_a_picture()
            return Outline(*size, b"".join([*needed, b"\xff\xd9"]))
        end = _read_segment_end(data, start)
        if marker in _FRAMES | _OTHER_FRAMES:
            if size is not None:
                raise undecodable()
            size = _read_size(marker, data[start:end])
        elif marker == _SCAN:
            scans += 1
            if scans > _MAX_SCANS:
                raise undecodable("The picture has too many scans.")
            end = _read_scan_end(data, end)
        if marker not in _METADATA:
            needed.append(b"\xff" + bytes([marker]) + data[start:end])
        position = end
    raise undecodable("The picture has too many parts.")


def _read_marker(data: bytes, position: int) -> tuple[int, int]:
    """Return the marker at `position` and where its content starts."""
    found = _SEGMENT_START.match(data, position)
    if not found:
        raise undecodable()
    return found[1][0], found.end()


def _read_segment_end(data: bytes, start: int) -> int:
    """Return where the segment whose length stands at `start` ends."""
    marker = data[start - 1]
    if marker in _STANDALONE or start + 2 > len(data):
        raise undecodable()
    (length,) = struct.unpack_from(">H", data, start)
    if length < 2 or start + length > len(data):
        raise undecodable()
    return start + int(length)


def _read_size(marker: int, frame: bytes) -> tuple[int, int]:
    """Return width and height from a frame header."""
    if len(frame) < 8:
        raise undecodable()
    precision, height, width, components = struct.unpack_from(">BHHB", frame, 2)
    if marker not in _FRAMES or precision != 8 or components not in {1, 3, 4}:
        raise PictureRefused("unsupported_format", "This kind of JPEG is not taken.")
    return width, height


def _read_scan_end(data: bytes, start: int) -> int:
    found = _MARKER_AFTER_SCAN.search(data, start)
    if not found:
        raise undecodable()
    return found.start()
