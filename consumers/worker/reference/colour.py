"""Colours in OKLab, where distances are as the eye sees them (Björn Ottosson, 2020)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]

_TO_LMS = np.array(
    [
        [0.4122214708, 0.2119034982, 0.0883024619],
        [0.5363325363, 0.6806995451, 0.2817188376],
        [0.0514459929, 0.1073969566, 0.6299787005],
    ],
    dtype=np.float32,
)
_TO_LAB = np.array(
    [
        [0.2104542553, 1.9779984951, 0.0259040371],
        [0.7936177850, -2.4285922050, 0.7827717662],
        [-0.0040720468, 0.4505937099, -0.8086757660],
    ],
    dtype=np.float32,
)
_FROM_LAB = np.linalg.inv(_TO_LAB).astype(np.float32)
_FROM_LMS = np.linalg.inv(_TO_LMS).astype(np.float32)
_GAMMA_STEPS = 4096


def _linear_of_srgb() -> Floats:
    level = np.arange(256) / 255
    linear = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    return linear.astype(np.float32)


def _srgb_of_linear() -> Pixels:
    linear = np.arange(_GAMMA_STEPS) / (_GAMMA_STEPS - 1)
    linear = linear**2  # the table is entered by the square root, which spreads the dark tones
    level = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(level * 255), dtype=np.uint8)


_LINEAR = _linear_of_srgb()
_SRGB = _srgb_of_linear()


def to_oklab(rgb: Pixels) -> Floats:
    """Turn sRGB bytes of shape (..., 3) into OKLab: lightness 0 to 1, then two hue axes."""
    lab: Floats = np.cbrt(_LINEAR[rgb] @ _TO_LMS) @ _TO_LAB
    return lab


def to_rgb(lab: Floats) -> Pixels:
    """Turn OKLab of shape (..., 3) into sRGB bytes; what the screen cannot show is clipped."""
    linear = (lab @ _FROM_LAB) ** 3 @ _FROM_LMS
    steps = np.sqrt(np.clip(linear, 0, 1)) * (_GAMMA_STEPS - 1)
    rgb: Pixels = _SRGB[np.rint(steps).astype(np.int32)]
    return rgb


@dataclass(frozen=True, kw_only=True)
class Palette:
    """`colours` (k, 3) in OKLab, the share of the pixels near each, and what the fit took."""

    colours: Floats
    weights: Floats
    error: float
    epochs: int


def _forget(epoch: int, colours: Floats) -> None:
    """Keep nothing."""


def fit_palette(
    *,
    pixels: Floats,
    size: int,
    epochs: int,
    tolerance: float,
    report: Callable[[int], None],
    keep: Callable[[int, Floats], None] = _forget,
    start: tuple[int, Floats] | None = None,
) -> Palette:
    """Learn `size` colours for `pixels` (n, 3) by k-means, one pass over all pixels an epoch.

    Ends early once no colour moves by more than `tolerance`; `report` gets each finished epoch.
    `keep` gets epoch and colours where more epochs follow: to start from those ends the same.
    """
    done, colours = start or (0, _spread_start(pixels, size))
    for epoch in range(done + 1, epochs + 1):
        nearest = _nearest(pixels, colours)
        moved = _centres(pixels, nearest, colours)
        step = float(np.abs(moved - colours).max())
        colours, done = moved, epoch
        report(epoch)
        if step <= tolerance:
            break
        keep(epoch, colours)
    nearest = _nearest(pixels, colours)
    weights = np.bincount(nearest, minlength=size) / len(pixels)
    error = float(np.linalg.norm(pixels - colours[nearest], axis=1).mean())
    return Palette(colours=colours, weights=weights.astype(np.float32), error=error, epochs=done)


def _spread_start(pixels: Floats, size: int) -> Floats:
    """Start from the mean colour, then again and again from the pixel farthest from all chosen."""
    chosen = [pixels.mean(axis=0)]
    distance = np.linalg.norm(pixels - chosen[0], axis=1)
    while len(chosen) < size:
        chosen.append(pixels[int(distance.argmax())])
        distance = np.minimum(distance, np.linalg.norm(pixels - chosen[-1], axis=1))
    return np.stack(chosen)


def _nearest(pixels: Floats, colours: Floats) -> NDArray[np.intp]:
    squares = (colours**2).sum(axis=1) - 2 * pixels @ colours.T
    return np.asarray(squares.argmin(axis=1))


def _centres(pixels: Floats, nearest: NDArray[np.intp], before: Floats) -> Floats:
    """Move each colour to the mean of its pixels; one that has none stays."""
    counts = np.bincount(nearest, minlength=len(before))
    sums = [np.bincount(nearest, weights=pixels[:, i], minlength=len(before)) for i in range(3)]
    means = np.stack(sums, axis=1) / np.maximum(counts, 1)[:, None]
    return np.where(counts[:, None] > 0, means, before).astype(np.float32)
