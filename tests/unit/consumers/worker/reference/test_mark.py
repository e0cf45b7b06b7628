"""The finished picture: visible mark, provenance, and nothing else."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFont

from consumers.worker.reference import mark
from consumers.worker.reference.mark import png_bytes, signed


def changed_box(name: str, level: int, *, width: int = 512) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom of what the mark changed on a plain picture."""
    plain = np.full((512, width, 3), level, dtype=np.uint8)
    changed = np.argwhere((np.asarray(signed(plain, name)) != plain).any(axis=2))
    (top, left), (bottom, right) = changed.min(axis=0), changed.max(axis=0)
    return int(left), int(top), int(right), int(bottom)


@pytest.mark.parametrize("level", [10, 128, 250])
def test_the_mark_is_at_the_lower_right_and_stands_out(level: int) -> None:
    left, top, right, bottom = changed_box("Mina Lee", level)
    assert left > 256
    assert top > 400
    assert right < 512
    assert bottom < 512
    plain = np.full((512, 512, 3), level, dtype=np.uint8)
    picture = np.asarray(signed(plain, "Mina Lee")).astype(int)
    assert np.abs(picture - level).max() > 100


def test_a_long_name_stays_in_half_of_the_width() -> None:
    left, _, right, _ = changed_box("W" * 200, 10)
    assert right - left < 512 * 0.52


@pytest.mark.parametrize("name", ["", "  ", "\x00\n", "\U0010fffd"])
def test_a_name_that_cannot_be_drawn_becomes_ai(name: str) -> None:
    assert changed_box(name, 10) == changed_box("AI", 10)


def test_a_name_in_another_script_needs_a_font_that_has_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A font of the machine is used if it has the letters, else the mark says AI."""
    fonts = tmp_path / "fonts"
    fonts.mkdir()
    own = ImageFont.load_default(16)
    assert isinstance(own, ImageFont.FreeTypeFont)
    (fonts / "latin.ttf").write_bytes(own.font_bytes)
    monkeypatch.setattr(mark, "_WIDE_SCRIPT_FONTS", ("/missing.ttf", str(fonts / "latin.ttf")))
    mark._font_name.cache_clear()
    assert changed_box("\uae40\ubbfc\uc544", 10) == changed_box("AI", 10)
    monkeypatch.setattr(mark, "_has_letters", lambda font, _: isinstance(font.path, str))
    mark._font_name.cache_clear()
    assert mark._font_name("\uae40") == str(fonts / "latin.ttf")
    mark._font_name.cache_clear()


def test_a_name_of_several_lines_is_drawn_on_one() -> None:
    assert changed_box("Mina\n\n Lee", 10) == changed_box("Mina Lee", 10)


def test_provenance_is_in_text_chunks_and_pixels_are_untouched() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    content = png_bytes(Image.fromarray(pixels), {"generation_id": "g", "seed": "7"})
    with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
        assert image.info == {"generation_id": "g", "seed": "7"}
        assert np.array_equal(np.asarray(image), pixels)
