"""G6: a result is paid for only when it is what was asked for and announced."""

import hashlib
import io
import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.numpy import save

from core.images import ResultInvalid, check_model, check_result

TENSOR = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}


def picture(width: int = 256, height: int = 256) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (width, height)).save(target, "PNG")
    return target.getvalue()


def model(header: object, content: bytes = bytes(24)) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content


def refusal(data: bytes, **announced: Any) -> str:
    words = {
        "sha256": hashlib.sha256(data).hexdigest(),
        "size_bytes": len(data),
        "kind": "picture",
    }
    with pytest.raises(ResultInvalid) as refused:
        check_result(data, **(words | announced))
    return refused.value.code


def test_a_picture_as_announced_is_taken() -> None:
    data = picture()
    digest = hashlib.sha256(data).hexdigest()
    found = check_result(
        data, sha256=digest, size_bytes=len(data), kind="picture", pixels=(256, 256)
    )
    assert found is not None
    assert (found.width, found.height, found.sha256) == (256, 256, digest)


def test_a_model_as_announced_is_taken() -> None:
    data = save({"palette": np.zeros((4, 3), np.float32), "grain": np.ones(2, np.uint8)})
    digest = hashlib.sha256(data).hexdigest()
    assert check_result(data, sha256=digest, size_bytes=len(data), kind="model") is None


@pytest.mark.parametrize(
    ("announced", "code"),
    [
        ({"size_bytes": 1}, "size_differs"),
        ({"sha256": "0" * 64}, "checksum_differs"),
        ({"sha256": "é"}, "checksum_differs"),
        ({"pixels": (512, 512)}, "pixels_differ"),
        ({"kind": "model"}, "model_invalid"),
    ],
)
def test_a_result_that_differs_from_its_announcement_is_refused(
    announced: dict[str, Any], code: str
) -> None:
    assert refusal(picture(), **announced) == code


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "not_an_image"),
        (picture()[:-1], "undecodable"),
        (picture() + b"x", "unsupported_format"),
        (picture(1, 40_000_001), "too_many_pixels"),
    ],
)
def test_a_result_that_is_no_picture_is_refused(data: bytes, code: str) -> None:
    assert refusal(data) == code


@pytest.mark.parametrize(
    "data",
    [
        model({"a": TENSOR}),
        model({"a": TENSOR, "__metadata__": {"format": "np"}}),
        model(b'{"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}   '),
        model({"a": TENSOR | {"dtype": "U8", "shape": [24]}}),
        model({"a": TENSOR, "b": {"dtype": "I8", "shape": [0], "data_offsets": [24, 24]}}),
        model({"a": {"dtype": "F64", "shape": [], "data_offsets": [0, 8]}}, bytes(8)),
    ],
)
def test_a_whole_model_is_taken(data: bytes) -> None:
    check_model(data)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x80\x04\x95\x10\0\0\0\0\0\0\0", id="pickle"),
        pytest.param(b"PK\3\4" + bytes(100), id="archive"),
        pytest.param(struct.pack("<Q", 2**63) + b"{}", id="header beyond the file"),
        pytest.param(struct.pack("<Q", 1) + b"{", id="header of one byte"),
        pytest.param(model(b"{" + b" " * 1_100_000 + b"}"), id="header too long"),
        pytest.param(model(b"[" * 500_000), id="deep header"),
        pytest.param(model(b'{"a": [1}'), id="no JSON"),
        pytest.param(model(b"[]"), id="a list"),
        pytest.param(model(b' {"a": 1}'), id="space first"),
        pytest.param(model(b"\xff\xfe{}"), id="no UTF-8"),
        pytest.param(model(b'{"a": NaN}'), id="not a number"),
        pytest.param(model(b'{"a": 1%s}' % (b"0" * 5_000)), id="a number of 5,000 digits"),
        pytest.param(
            model(b'{"a":%s,"a":%s}' % ((json.dumps(TENSOR).encode(),) * 2)), id="a name twice"
        ),
        pytest.param(model({}), id="no tensor"),
        pytest.param(model({f"t{i}": TENSOR for i in range(10_001)}), id="too many tensors"),
        pytest.param(model({"a": TENSOR, "__metadata__": {"a": 1}}), id="metadata of numbers"),
        pytest.param(model({"a": TENSOR, "__metadata__": []}), id="metadata as a list"),
        pytest.param(model({"a": None}), id="tensor of nothing"),
        pytest.param(model({"a": TENSOR | {"more": 1}}), id="unknown field"),
        pytest.param(model({"a": TENSOR | {"dtype": "O"}}), id="unknown type"),
        pytest.param(model({"a": TENSOR | {"shape": [2, "3"]}}), id="shape of text"),
        pytest.param(model({"a": TENSOR | {"shape": [-2, -3]}}), id="negative shape"),
        pytest.param(model({"a": TENSOR | {"shape": [2, 3, True]}}), id="shape of truth"),
        pytest.param(model({"a": TENSOR | {"shape": [2, 3, *[1] * 7]}}), id="nine dimensions"),
        pytest.param(model({"a": TENSOR | {"shape": [2, 4]}}), id="shape beyond its bytes"),
        pytest.param(model({"a": TENSOR | {"data_offsets": [24, 48]}}), id="beyond the end"),
        pytest.param(model({"a": TENSOR | {"data_offsets": [-24, 0]}}), id="before the start"),
        pytest.param(model({"a": TENSOR | {"data_offsets": [0]}}), id="one offset"),
        pytest.param(model({"a": TENSOR, "b": TENSOR}), id="overlap"),
        pytest.param(model({"a": TENSOR}, bytes(25)), id="bytes of no tensor"),
        pytest.param(model({"a": TENSOR}, bytes(23)), id="cut"),
    ],
)
def test_anything_else_is_no_model(data: bytes) -> None:
    """Nothing that could run when it is loaded, and nothing that reads beyond its bytes."""
    with pytest.raises(ResultInvalid) as refused:
        check_model(data)
    assert refused.value.code == "model_invalid"


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(st.text(max_size=9), st.lists(st.integers() | st.text(max_size=9))), st.binary()
)
def test_any_header_ends_in_a_refusal(header: dict[str, Any], content: bytes) -> None:
    with pytest.raises(ResultInvalid):
        check_model(model(header, content))
