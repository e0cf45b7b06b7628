"""Checks what a worker says it has made: size, checksum, and that it is what it should be."""

import hashlib
import hmac
import json
import math
import struct
from collections.abc import Mapping
from typing import Any, Literal

from core.images.outline import PictureRefused
from core.images.picture import Picture, check_picture

MAX_RESULT_BYTES = 32 * 1024 * 1024

_MAX_HEADER_BYTES = 1024 * 1024
_MAX_TENSORS = 10_000
_MAX_DIMENSIONS = 8
_ITEM_BYTES = {"BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1}
_ITEM_BYTES |= {"I16": 2, "U16": 2, "F16": 2, "BF16": 2, "I32": 4, "U32": 4, "F32": 4}
_ITEM_BYTES |= {"I64": 8, "U64": 8, "F64": 8}


class ResultInvalid(Exception):
    """What the worker stored is not the result that it announced.

    `code` is stable: size_differs, checksum_differs, pixels_differ, model_invalid,
    family_unknown, or one of PictureRefused.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def check_result(
    data: bytes,
    *,
    sha256: str,
    size_bytes: int,
    kind: Literal["picture", "model"],
    pixels: tuple[int, int] | None = None,
) -> Picture | None:
    """Return the picture if `data` is the announced result of `kind`, None for a model (G6).

    `sha256` (hex) and `size_bytes` are the worker's words, `pixels` the size that was asked
    for. Raises ResultInvalid.
    """
    check_announced(data, sha256=sha256, size_bytes=size_bytes)
    if kind == "model":
        check_model(data)
        return None
    try:
        picture = check_picture(data, max_bytes=MAX_RESULT_BYTES, min_side=1)
    except PictureRefused as error:
        raise ResultInvalid(error.code) from error
    if pixels is not None and (picture.width, picture.height) != pixels:
        raise ResultInvalid("pixels_differ")
    return picture


def check_announced(data: bytes, *, sha256: str, size_bytes: int) -> None:
    """Raise ResultInvalid unless `data` has the size and the checksum (hex) that were announced."""
    if len(data) != size_bytes:
        raise ResultInvalid("size_differs")
    if not hmac.compare_digest(hashlib.sha256(data).hexdigest().encode(), sha256.encode()):
        raise ResultInvalid("checksum_differs")


def check_model(data: bytes) -> Mapping[str, str]:
    """Return the metadata of a model, a whole .safetensors file: JSON header, then bytes.

    Raises ResultInvalid for anything else. The format: https://huggingface.co/docs/safetensors.
    Nothing in it can run, unlike a pickle.
    """
    header_bytes = struct.unpack_from("<Q", data)[0] if len(data) >= 8 else 0
    if not 2 <= header_bytes <= min(_MAX_HEADER_BYTES, len(data) - 8):
        raise ResultInvalid("model_invalid")
    tensors = _read_header(data[8 : 8 + header_bytes])
    metadata = _checked_metadata(tensors.pop("__metadata__", {}))
    if not 1 <= len(tensors) <= _MAX_TENSORS:
        raise ResultInvalid("model_invalid")
    _check_spans([_span(tensor) for tensor in tensors.values()], len(data) - 8 - header_bytes)
    return metadata


def _read_header(text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(
            text.decode(), object_pairs_hook=_without_twins, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError) as error:
        raise ResultInvalid("model_invalid") from error
    if not text.startswith(b"{"):
        raise ResultInvalid("model_invalid")
    return dict(header)


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _checked_metadata(metadata: object) -> Mapping[str, str]:
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise ResultInvalid("model_invalid")
    return metadata


def _span(tensor: object) -> tuple[int, int]:
    """Return where the bytes of `tensor` begin and end, as many as its shape needs."""
    match tensor:
        case {
            "dtype": str(dtype),
            "shape": [*shape],
            "data_offsets": [int(begin), int(end)],
            **rest,
        } if not rest and dtype in _ITEM_BYTES and _is_shape(shape):
            if end - begin == math.prod(shape) * _ITEM_BYTES[dtype]:
                return begin, end
    raise ResultInvalid("model_invalid")


def _is_shape(shape: list[object]) -> bool:
    return len(shape) <= _MAX_DIMENSIONS and all(
        type(side) is int and 0 <= side < 2**40 for side in shape
    )


def _check_spans(spans: list[tuple[int, int]], total_bytes: int) -> None:
    """Raise ResultInvalid unless the tensors cover the bytes without gap or overlap."""
    position = 0
    for begin, end in sorted(spans):
        if begin != position:
            raise ResultInvalid("model_invalid")
        position = end
    if position != total_bytes:
        raise ResultInvalid("model_invalid")
