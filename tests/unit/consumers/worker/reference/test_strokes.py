"""Strokes: lines and spots drawn into a picture are found and measured."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from consumers.worker.reference.colour import Floats, to_oklab
from consumers.worker.reference.strokes import (
    ANGLE,
    CORE,
    LENGTH,
    RADIUS,
    are_lines,
    find_strokes,
    ground_of,
    pyramid,
)


def strokes_of(image: Image.Image) -> Floats:
    lab = to_oklab(np.asarray(image.filter(ImageFilter.GaussianBlur(1))))
    return find_strokes(pyramid(lab), ground_of(lab))


def test_a_plain_picture_has_no_strokes() -> None:
    assert len(strokes_of(Image.new("RGB", (256, 256), "#808080"))) == 0


def test_a_dark_line_is_found_once_with_length_and_direction() -> None:
    image = Image.new("RGB", (256, 256), "#d0d0d0")
    ImageDraw.Draw(image).line((40, 128, 200, 128), fill="#404040", width=5)
    found = strokes_of(image)
    (line,) = found[are_lines(found)]
    assert 120 < line[LENGTH] < 200
    assert abs(np.sin(line[ANGLE])) < 0.1
    assert line[CORE][0] < -0.1


def test_bright_spots_are_found_with_their_colour() -> None:
    image = Image.new("RGB", (256, 256), "#101010")
    for x, y in ((60, 60), (190, 70), (120, 190)):
        ImageDraw.Draw(image).ellipse((x - 5, y - 5, x + 5, y + 5), fill="#ff6040")
    found = strokes_of(image)
    bright = found[found[:, CORE][:, 0] > 0.2]
    assert len(bright) == 3
    assert not are_lines(bright).any()
    assert (bright[:, CORE][:, 1] > 0.05).all()  # towards red


def test_larger_spots_have_larger_radii() -> None:
    radii = []
    for size in (3, 12):
        image = Image.new("RGB", (256, 256), "#101010")
        ImageDraw.Draw(image).ellipse((128 - size, 128 - size, 128 + size, 128 + size), fill="#fff")
        radii.append(float(strokes_of(image)[0][RADIUS]))
    assert radii[0] < radii[1]


def test_the_border_of_a_dark_area_is_no_stroke() -> None:
    image = Image.new("RGB", (256, 256), "#d0d0d0")
    ImageDraw.Draw(image).rectangle((0, 0, 127, 255), fill="#101010")
    assert len(strokes_of(image)) == 0
