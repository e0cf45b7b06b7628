"""What is a picture and what is not, judged by content and before it costs anything."""

import hashlib
import io
import struct
import threading
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from core.images import MAX_PICTURE_BYTES, Picture, PictureRefused, check_picture

BOMB_SECONDS = 1.0  # on an idle machine it takes milliseconds


def painted(width: int = 512, height: int = 512, mode: str = "RGB") -> Image.Image:
    """Return a picture whose pixels differ, so that it has something to lose."""
    drawn = np.arange(width * height * 3, dtype=np.uint32) * 2_654_435_761 >> 24
    return Image.fromarray(drawn.astype(np.uint8).reshape(height, width, 3)).convert(mode)


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    target = io.BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


PNG = saved(painted())
JPEG = saved(painted(), "JPEG")


def chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def png_with(*extra: bytes, place: int = 33) -> bytes:
    """Return the PNG with chunks put in after its header."""
    return PNG[:place] + b"".join(extra) + PNG[place:]


def header(width: int, height: int, kind: bytes = b"\x08\x02\0\0\0") -> bytes:
    return chunk(b"IHDR", struct.pack(">II", width, height) + kind)


def refusal(data: bytes) -> str:
    with pytest.raises(PictureRefused) as refused:
        check_picture(data)
    assert str(refused.value) == refused.value.message
    return refused.value.code


@pytest.mark.parametrize(("data", "kind"), [(PNG, "png"), (JPEG, "jpeg")])
def test_a_picture_is_known_by_its_content(data: bytes, kind: str) -> None:
    picture = check_picture(data)
    digest = hashlib.sha256(data).hexdigest()
    assert picture == Picture(format=kind, width=512, height=512, sha256=digest, bytes=len(data))
    assert picture.content_type == f"image/{kind}"


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_colour_mode_of_png_is_taken(mode: str) -> None:
    image = painted(mode="L" if mode == "I;16" else mode)
    assert check_picture(saved(image.convert(mode))).format == "png"


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_every_colour_mode_of_jpeg_is_taken(mode: str, progressive: bool) -> None:
    data = saved(painted(mode=mode), "JPEG", progressive=progressive, restart_marker_rows=1)
    assert check_picture(data).format == "jpeg"


def test_the_demo_would_not_start_without_its_images() -> None:
    """The images that we ship pass our own check."""
    folder = Path(__file__).parents[3] / "demo" / "images"
    for path in folder.rglob("*.jpg"):
        assert check_picture(path.read_bytes()).format == "jpeg"


def test_metadata_is_not_looked_at() -> None:
    """A broken EXIF block makes Pillow warn; it is no reason to refuse a good picture."""
    exif = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 50
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    assert check_picture(JPEG[:2] + segment + JPEG[2:]).format == "jpeg"
    assert check_picture(png_with(chunk(b"eXIf", exif[6:]))).format == "png"


def test_small_texts_and_profiles_are_taken() -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("prompt", "호수" * 1_000, zip=True)
    texts.add_itxt("title", "호수", zip=True)
    texts.add_itxt("plain", "호수")
    assert check_picture(saved(painted(), pnginfo=texts, icc_profile=b"p" * 5_000))


# What is refused by a look at its beginning.


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "not_an_image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not_an_image"),
        (b"%PDF-1.7", "not_an_image"),
        (b"PK\3\4", "not_an_image"),
        (b"%!PS-Adobe", "not_an_image"),
        (saved(painted(), "GIF"), "unsupported_format"),
        (saved(painted(), "WEBP"), "unsupported_format"),
        (saved(painted(), "BMP"), "unsupported_format"),
        (saved(painted(), "TIFF"), "unsupported_format"),
        (b"\0\0\0\x20ftypheic", "unsupported_format"),
        (b"\x89PNG\r\n\x1a\n", "undecodable"),
        (b"\xff\xd8\xff", "undecodable"),
        (b"\xff\xd8\xff\xd9", "undecodable"),
    ],
)
def test_another_kind_of_file_is_refused_whatever_its_name_says(data: bytes, code: str) -> None:
    assert refusal(data) == code


@pytest.mark.parametrize("size", [(511, 600), (600, 511)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_each_side_needs_512_pixels(size: tuple[int, int], kind: str) -> None:
    assert refusal(saved(painted(*size), kind)) == "too_small"


def test_ten_mebibytes_are_the_limit() -> None:
    padding = MAX_PICTURE_BYTES - len(PNG) - 12
    assert check_picture(png_with(chunk(b"teXt", bytes(padding)))).bytes == MAX_PICTURE_BYTES
    assert refusal(png_with(chunk(b"teXt", bytes(padding + 1)))) == "too_large"


def test_40_megapixels_are_the_limit() -> None:
    assert check_picture(saved(Image.new("1", (8_000, 5_000)))).width == 8_000
    assert refusal(saved(Image.new("1", (8_001, 5_000)))) == "too_many_pixels"


# Bombs: refused by the header, so that neither memory nor time is spent.


def huge_jpeg() -> bytes:
    frame = JPEG.index(b"\xff\xc0")
    return JPEG[: frame + 5] + struct.pack(">HH", 65_500, 65_500) + JPEG[frame + 9 :]


def jpeg_of_many_scans() -> bytes:
    plain = saved(Image.new("RGB", (1_024, 1_024)), "JPEG", progressive=True)
    return plain[:-2] + plain[plain.rindex(b"\xff\xda") : -2] * 20_000 + b"\xff\xd9"


def packed(length: int) -> bytes:
    return zlib.compress(bytes(length), 9)


BOMBS = {
    "huge png": lambda: PNG[:8] + header(2**31 - 1, 2**31 - 1) + PNG[33:],
    "huge jpeg": huge_jpeg,
    "packed text": lambda: png_with(chunk(b"zTXt", b"name\0\0" + packed(50_000_000))),
    "packed international text": lambda: png_with(
        chunk(b"iTXt", b"name\0\1\0en\0name\0" + packed(50_000_000))
    ),
    "packed profile": lambda: png_with(chunk(b"iCCP", b"name\0\0" + packed(50_000_000))),
    "many packed texts": lambda: png_with(chunk(b"zTXt", b"name\0\0" + packed(300_000)) * 4),
    "many chunks": lambda: png_with(chunk(b"tEXt", b"") * 500_000),
    "many segments": lambda: JPEG[:2] + b"\xff\xfe\0\2" * 1_000_000 + JPEG[2:],
    "many scans": jpeg_of_many_scans,
    "many markers": lambda: JPEG[:2] + b"\xff" * 5_000_000,
    "endless scan": lambda: JPEG[:-2] + b"\xff\0" * 2_500_000 + b"\xff" * 1_000_000,
}
BOMB_CODES = {
    "huge png": "too_many_pixels",
    "huge jpeg": "too_many_pixels",
    "packed text": "too_large",
    "packed international text": "too_large",
    "packed profile": "too_large",
    "many packed texts": "too_large",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_before_it_costs_anything(name: str) -> None:
    data = BOMBS[name]()
    assert len(data) <= MAX_PICTURE_BYTES
    started_at = time.process_time()
    assert refusal(data) == BOMB_CODES.get(name, "undecodable")
    assert time.process_time() - started_at < BOMB_SECONDS


def test_more_scans_than_any_encoder_writes_are_refused() -> None:
    plain = saved(painted(), "JPEG", progressive=True)
    scan = plain[plain.rindex(b"\xff\xda") : -2]
    few, many = (plain[:-2] + scan * count + b"\xff\xd9" for count in (5, 40))
    assert check_picture(few).format == "jpeg"
    assert refusal(many) == "undecodable"


def test_the_outline_knows_one_frame_only() -> None:
    """Whoever believed the last of two sizes would decode another picture than was checked."""
    from core.images import jpeg

    with pytest.raises(PictureRefused):
        jpeg.read_outline(JPEG[:FRAME] + FRAME_SEGMENT + JPEG[FRAME:])


def test_pixels_that_unpack_to_more_than_the_picture_are_not_unpacked() -> None:
    rows = bytes(513 * 512) + bytes(200_000_000)
    data = PNG[:8] + header(512, 512, b"\x08\0\0\0\0")
    data += chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    started_at = time.process_time()
    check_picture(data)
    assert time.process_time() - started_at < BOMB_SECONDS


def test_two_are_decoded_at_once_and_the_others_wait() -> None:
    """A burst of large pictures takes the memory of two."""
    from core.images import picture

    results: list[Picture] = []
    with picture._decoding, picture._decoding:
        thread = threading.Thread(target=lambda: results.append(check_picture(PNG)))
        thread.start()
        thread.join(0.2)
        assert results == []
    thread.join(10)
    assert len(results) == 1


# Damage.


@pytest.mark.parametrize("data", [PNG, JPEG], ids=["png", "jpeg"])
def test_a_cut_picture_is_refused_wherever_it_is_cut(data: bytes) -> None:
    for length in [*range(8, 700), *range(700, len(data), 9_973), len(data) - 1]:
        assert refusal(data[:length]) == "undecodable"


@pytest.mark.parametrize("tail", [b"x", b"PK\3\4archive", JPEG, PNG, b"<script>"])
@pytest.mark.parametrize("data", [PNG, JPEG], ids=["png", "jpeg"])
def test_what_goes_on_after_its_picture_is_refused(data: bytes, tail: bytes) -> None:
    """A file that is two things at once is one thing to us and another to somebody else."""
    assert refusal(data + tail) == "unsupported_format"


def test_a_jpeg_padded_with_zeros_is_taken() -> None:
    """Cameras write whole blocks."""
    assert check_picture(JPEG + bytes(100)).format == "jpeg"


def test_an_animation_is_refused() -> None:
    frames = [painted(), Image.new("RGB", (512, 512))]
    animated = saved(frames[0], save_all=True, append_images=frames[1:])
    assert refusal(animated) == "unsupported_format"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(PNG[:40] + b"\0" + PNG[41:], id="checksum"),
        pytest.param(PNG[:8] + PNG[33:], id="no header"),
        pytest.param(png_with(PNG[8:33]), id="two headers"),
        pytest.param(PNG[:8] + chunk(b"IHDR", b"short") + PNG[33:], id="short header"),
        pytest.param(png_with(chunk(b"tEXt", b"a\0b")[:-1] + b"!"), id="checksum of a text"),
        pytest.param(png_with(chunk(b"ABCD", b"")), id="unknown critical chunk"),
        pytest.param(png_with(chunk(b"zTXt", b"name\0\0no zlib")), id="text that is not packed"),
        pytest.param(PNG[:8] + header(512, 512, b"\x07\x09\0\0\0") + PNG[33:], id="colour type"),
        pytest.param(PNG[:33] + chunk(b"IEND", b""), id="no pixels"),
        pytest.param(
            PNG[:33] + chunk(b"IDAT", zlib.compress(bytes(1_000))) + chunk(b"IEND", b""),
            id="too few pixels",
        ),
        pytest.param(PNG[:33] + chunk(b"IDAT", b"junk") + chunk(b"IEND", b""), id="junk"),
    ],
)
def test_a_damaged_png_is_refused(data: bytes) -> None:
    assert refusal(data) == "undecodable"


FRAME = JPEG.index(b"\xff\xc0")
SCAN = JPEG.index(b"\xff\xda")
FRAME_SEGMENT = JPEG[FRAME : FRAME + 19]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(JPEG[:FRAME] + FRAME_SEGMENT + JPEG[FRAME:], id="two frames"),
        pytest.param(JPEG[:FRAME] + JPEG[FRAME + 19 :], id="no frame"),
        pytest.param(JPEG[:SCAN] + b"\xff\xd9", id="no scan"),
        pytest.param(JPEG[:2] + b"\xff\xfe\0\1" + JPEG[2:], id="segment of length one"),
        pytest.param(JPEG[:2] + b"\xff\xfe\xff\xff", id="segment beyond the end"),
        pytest.param(JPEG[:2] + b"\xff\xd8" + JPEG[2:], id="two starts"),
        pytest.param(JPEG[:2] + b"\xff\x01\0\2" + JPEG[2:], id="marker that has no length"),
        pytest.param(JPEG[:2] + b"\xff\xfe", id="segment without length"),
        pytest.param(JPEG[:2] + b"\xff\xc0\0\3\x08" + JPEG[2:], id="short frame"),
        pytest.param(JPEG[:FRAME] + b"junk" + JPEG[FRAME:], id="junk between segments"),
        pytest.param(JPEG.replace(b"\xff\xdb", b"\xff\xfe"), id="no tables"),
    ],
)
def test_a_damaged_jpeg_is_refused(data: bytes) -> None:
    assert refusal(data) == "undecodable"


@pytest.mark.parametrize(
    ("place", "value"),
    [(FRAME + 1, b"\xc3"), (FRAME + 1, b"\xc9"), (FRAME + 4, b"\x0c"), (FRAME + 9, b"\2")],
    ids=["lossless", "arithmetic", "12 bits", "two components"],
)
def test_a_rare_kind_of_jpeg_is_refused(place: int, value: bytes) -> None:
    assert refusal(JPEG[:place] + value + JPEG[place + 1 :]) == "unsupported_format"


def test_the_decoder_must_see_the_size_that_was_checked() -> None:
    from core.images.outline import Outline
    from core.images.picture import _decode

    with pytest.raises(PictureRefused):
        _decode("png", Outline(511, 512, PNG))


SMALL = {"png": saved(painted(512, 512, "1")), "jpeg": saved(painted(), "JPEG", quality=1)}


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(["png", "jpeg"]),
    edits=st.lists(
        st.tuples(st.floats(0, 1), st.binary(max_size=6), st.integers(0, 6)), max_size=6
    ),
)
def test_any_damage_ends_in_a_picture_or_a_refusal(
    kind: str, edits: list[tuple[float, bytes, int]]
) -> None:
    data = SMALL[kind]
    for place, put_in, left_out in edits:
        at = int(place * min(len(data), 1_500))
        data = data[:at] + put_in + data[at + left_out :]
    try:
        picture = check_picture(data)
    except PictureRefused:
        return
    assert picture.bytes == len(data)
