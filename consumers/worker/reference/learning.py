"""Learns a style from pictures: palette, contrast, ground, strokes, texture, spectrum."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from consumers.worker.reference.checkpoint import Halfway
from consumers.worker.reference.colour import Floats, Palette, Pixels, fit_palette, to_oklab
from consumers.worker.reference.model import (
    GRAIN_SIZES,
    MAX_STROKES,
    PALETTE_SIZE,
    RAMP_STEPS,
    TONE_STEPS,
    StyleModel,
)
from consumers.worker.reference.strokes import (
    ANGLE,
    LEAST,
    LENGTH,
    MOST,
    find_strokes,
    ground_of,
    pyramid,
    smoothed,
)

Report = Callable[[int, int], None]
"""Called with (percent done, epochs done)."""

_PALETTE_PIXELS = 8192
_LOOKING_PERCENT = 60


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What was learned: error in OKLab units, epochs until the palette stood still."""

    model: StyleModel
    palette_error: float
    epochs: int


@dataclass(frozen=True)
class _Look:
    """What one picture told."""

    pixels: Floats
    lightness: Floats
    ground: Floats
    strokes: Floats
    area: int
    grain: Floats
    slope: float


def learn(
    images: Sequence[Pixels],
    *,
    epochs: int,
    learning_rate: float,
    report: Report,
    keep: Callable[[Halfway], None] = lambda _: None,
    start: Halfway | None = None,
) -> Lesson:
    """Learn one style from RGB pictures of shape (h, w, 3), at least one, each 64 pixels or more.

    The palette is fitted for up to `epochs` passes and ends early when no colour moves by more
    than `learning_rate` (OKLab units). To `start` from what `keep` was given, with the same
    pictures, ends with the same style to the bit.
    """
    looks = []
    for count, image in enumerate(images, start=1):
        looks.append(_look_at(image, share=len(images)))
        report(_LOOKING_PERCENT * count // len(images), 0)

    def on_epoch(epoch: int) -> None:
        report(_LOOKING_PERCENT + (100 - _LOOKING_PERCENT) * epoch // epochs, epoch)

    palette = fit_palette(
        pixels=np.concatenate([look.pixels for look in looks]),
        size=PALETTE_SIZE,
        epochs=epochs,
        tolerance=learning_rate,
        report=on_epoch,
        keep=lambda epoch, colours: keep(Halfway(colours=colours, epoch=epoch)),
        start=(start.epoch, start.colours) if start else None,
    )
    return Lesson(model=_model(looks, palette), palette_error=palette.error, epochs=palette.epochs)


def _look_at(image: Pixels, *, share: int) -> _Look:
    lab = to_oklab(image)
    flat = lab.reshape(-1, 3)
    every = max(1, len(flat) * share // _PALETTE_PIXELS)
    ground, levels = ground_of(lab), pyramid(lab)
    return _Look(
        pixels=flat[every // 2 :: every],
        lightness=np.sort(flat[:: max(1, len(flat) // 16384), 0]),
        ground=_neighbourhood(ground).reshape(-1, 3),
        strokes=find_strokes(levels, ground),
        area=len(flat),
        grain=_grain(levels),
        slope=_spectrum_slope(lab[:, :, 0]),
    )


def _model(looks: Sequence[_Look], palette: Palette) -> StyleModel:
    ramp, spread = _ramp(np.concatenate([look.ground for look in looks]))
    lightness = np.concatenate([look.lightness for look in looks])
    strokes = np.concatenate([look.strokes for look in looks])
    area = sum(look.area for look in looks)
    kept = np.linspace(0, len(strokes) - 1, min(len(strokes), MAX_STROKES)).astype(np.intp)
    return StyleModel(
        palette=palette.colours,
        weights=palette.weights,
        ramp=ramp,
        spread=spread,
        tones=np.quantile(lightness, np.linspace(0, 1, TONE_STEPS)).astype(np.float32),
        strokes=strokes[kept].clip(LEAST, MOST).astype(np.float32),
        density=_one(len(strokes) * 512 * 512 / area),
        grain=np.mean([look.grain for look in looks], axis=0).astype(np.float32),
        coherence=_one(np.mean([_coherence(look.strokes) for look in looks])),
        slope=_one(np.mean([look.slope for look in looks])),
    )


def _one(value: float | np.floating) -> Floats:
    return np.array([value], dtype=np.float32)


def _ramp(ground: Floats) -> tuple[Floats, Floats]:
    """Return mean and deviation of the ground's colours in each of RAMP_STEPS equal shares."""
    order = np.argsort(ground[:, 0], kind="stable")
    shares = np.array_split(ground[order], RAMP_STEPS)
    means = np.stack([share.mean(axis=0) for share in shares])
    spread = np.stack([share.std(axis=0) for share in shares])
    return means.astype(np.float32), spread.astype(np.float32)


def _neighbourhood(ground: Floats) -> Floats:
    """Return the median of each cell and its neighbours: a spot filling one cell is no ground."""
    rows, columns = ground.shape[0] - 2, ground.shape[1] - 2
    near = [ground[i : rows + i, j : columns + j] for i in range(3) for j in range(3)]
    return np.asarray(np.median(np.stack(near), axis=0), dtype=np.float32)


def _grain(levels: list[Floats]) -> Floats:
    """Return the texture's amplitude at 1, 2 and 4 pixels: median, so that strokes do not count."""
    lightness = [level[:, :, 0] for level in levels[:GRAIN_SIZES]]
    rough = [float(np.median(np.abs(level - smoothed(level)))) for level in lightness]
    return np.array(rough, dtype=np.float32) * np.float32(1.48)


def _spectrum_slope(lightness: Floats) -> float:
    """Return the slope of log power over log frequency between 4 and a quarter of the cycles."""
    rows, columns = lightness.shape
    window = np.outer(np.hanning(rows), np.hanning(columns))
    power = np.abs(np.fft.rfft2((lightness - lightness.mean()) * window)) ** 2
    frequency = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)[None]) * min(
        rows, columns
    )
    ring = frequency.astype(np.intp)
    rings = np.arange(4, min(rows, columns) // 4)
    sums = np.bincount(ring.ravel(), weights=power.ravel(), minlength=rings[-1] + 1)
    counts = np.bincount(ring.ravel(), minlength=rings[-1] + 1)
    mean = sums[rings] / np.maximum(counts[rings], 1)
    return float(np.polyfit(np.log(rings), np.log(mean + 1e-12), 1)[0])


def _coherence(strokes: Floats) -> float:
    """Return how parallel a picture's strokes are, longer ones counting more: 0 to 1."""
    if not len(strokes):
        return 0.0
    turns = np.exp(2j * strokes[:, ANGLE]) * strokes[:, LENGTH]
    return float(np.abs(turns.sum()) / strokes[:, LENGTH].sum())
