"""Paints: ground, texture, strokes from coarse to fine, and at the end the style's contrast."""

from collections.abc import Callable

import numpy as np

from consumers.worker.reference.brush import Layer, Stroke, plan_lines, plan_spots
from consumers.worker.reference.colour import Floats, Pixels, to_rgb
from consumers.worker.reference.composition import Composition, compose, dice_for, enlarged, noise
from consumers.worker.reference.model import RAMP_STEPS, TONE_STEPS, StyleModel
from consumers.worker.reference.strokes import BEND, CORE, LENGTH, RADIUS, RIM, are_lines

Report = Callable[[int, int], None]
"""Called with (steps done, steps in all)."""

SIZES = {"512x512": (512, 512), "1024x1024": (1024, 1024), "512x1024": (512, 1024)}
"""Width and height."""

_LAYERS = 16
_COMB = 9
_FULL_STEPS = 30
_TONE_PULL = 0.6
_TONE_REACH = 0.06
_HUE_PULL = np.float32(0.15)
_HUE_WIDTH = np.float32(0.05)
_MOST_STROKES = 3000


def paint(
    model: StyleModel, *, prompt: str, seed: int, size: str, steps: int, report: Report
) -> Pixels:
    """Paint `size` (a key of SIZES) as RGB (h, w, 3): the same arguments give the same pixels.

    `steps` (1 or more) is how often the brush is taken up; from 30 on every stroke is laid.
    """
    width, height = SIZES[size]
    plan = compose(prompt, seed, width=width, height=height)
    dice = dice_for(prompt, seed, "painting")
    tone = enlarged(plan.tone, width=width, height=height).clip(0, 1)
    lab = _ground(model, tone, dice)
    lab[:, :, 0] += _texture(model, plan, dice, height, width)
    lab += _strokes(model, plan, dice, shape=(height, width), steps=steps, report=report)
    _match_contrast(lab, model)
    _match_palette(lab, model)
    return to_rgb(lab)


def _ground(model: StyleModel, tone: Floats, dice: np.random.Generator) -> Floats:
    """Colour each tone by the style's ramp and let it stray as far as the style's ground does."""
    height, width = tone.shape
    place = tone * (RAMP_STEPS - 1)
    shares = np.arange(RAMP_STEPS)
    channels = [np.interp(place, shares, model.ramp[:, i]) for i in range(3)]
    lab: Floats = np.stack(channels, axis=-1).astype(np.float32)
    slope = float(np.clip(-model.slope[0], 2.5, 4))
    for channel in (1, 2):
        clouds = enlarged(noise(dice, 64, 64, slope=slope), width=width, height=height)
        lab[:, :, channel] += 0.5 * clouds * np.interp(place, shares, model.spread[:, channel])
    return lab


def _texture(
    model: StyleModel, plan: Composition, dice: np.random.Generator, height: int, width: int
) -> Floats:
    """Return the style's grain at its sizes, combed along the heading as far as it coheres."""
    total = np.zeros((height, width), dtype=np.float32)
    coherence = float(np.clip(model.coherence[0], 0, 1))
    for level, amplitude in enumerate(model.grain):
        rows, columns = -(-height // 2**level), -(-width // 2**level)
        grain = dice.standard_normal((rows, columns), dtype=np.float32)
        if level:
            combed = _combed(grain, plan.heading)
            grain = enlarged(
                (1 - coherence) * grain + 2 * coherence * combed, width=width, height=height
            )
        total += grain * amplitude
    return total


def _combed(grain: Floats, heading: Floats) -> Floats:
    """Draw grain out along the heading (line integral convolution); deviation stays 1."""
    rows, columns = grain.shape
    angle = heading[
        (np.arange(rows) * heading.shape[0] // rows)[:, None],
        (np.arange(columns) * heading.shape[1] // columns)[None],
    ]
    down, right = np.sin(angle), np.cos(angle)
    y, x = np.arange(rows)[:, None], np.arange(columns)[None]
    total = np.zeros_like(grain)
    for step in range(-_COMB, _COMB + 1):
        total += grain[
            np.rint(y + step * down).astype(np.intp) % rows,
            np.rint(x + step * right).astype(np.intp) % columns,
        ]
    return np.asarray(total / (total.std() + 1e-6), dtype=np.float32)


def _strokes(
    model: StyleModel,
    plan: Composition,
    dice: np.random.Generator,
    *,
    shape: tuple[int, int],
    steps: int,
    report: Report,
) -> Floats:
    """Lay the strokes coarse to fine, a share each step; return the paint over the ground.

    A layer costs the same however few strokes it holds, so steps beyond _LAYERS share layers.
    """
    paint = np.zeros((*shape, 3), dtype=np.float32)
    strokes = _plan_strokes(model, plan, dice, shape)
    strokes = strokes[: max(1, len(strokes) * min(steps, _FULL_STEPS) // _FULL_STEPS)]
    layers = min(steps, _LAYERS)
    laid = 0
    for step in range(1, steps + 1):
        due = step * layers // steps
        if due > laid:
            _lay(paint, strokes[laid * len(strokes) // layers : due * len(strokes) // layers])
            laid = due
        report(step, steps)
    return paint


def _plan_strokes(
    model: StyleModel, plan: Composition, dice: np.random.Generator, shape: tuple[int, int]
) -> list[Stroke]:
    """Draw strokes from the style's own, as densely as it has them, and place them."""
    scale = (min(shape) / 512) ** 0.75
    count = min(_MOST_STROKES, int(model.density[0] * shape[0] * shape[1] / (512 * scale) ** 2))
    if not count or not len(model.strokes):
        return []
    lines = are_lines(model.strokes)
    drawn = dice.integers(len(model.strokes), size=count)
    spots, grown = model.strokes[drawn[~lines[drawn]]], model.strokes[drawn[lines[drawn]]]
    growth = min(1.0, 2 * float(lines.mean()))  # lines are the style's way, or a rarity in it
    grown = np.repeat(grown, 1 + round(growth), axis=0)  # long lines leave the picture
    coherence = float(np.clip(model.coherence[0], 0, 1))
    contrast = float(model.ramp[-4, 0] - model.ramp[3, 0])
    strokes = plan_spots(
        _varied(_evened(spots, 0.96), dice, width=scale, length=1.0),
        plan,
        dice,
        shape=shape,
        gathering=0.4 + 2.2 * float(np.exp(-contrast / 0.1)),
        coherence=coherence,
    )
    if len(grown):
        strokes += plan_lines(
            _varied(
                _evened(grown, 0.85),
                dice,
                width=(1 - 0.5 * growth) * scale,
                length=1 + 1.6 * growth,
            ),
            plan,
            dice,
            shape=shape,
            coherence=coherence,
            branching=0.75 * growth,
        )
    return sorted(strokes, key=lambda stroke: -float(stroke.row[RADIUS]))


def _varied(rows: Floats, dice: np.random.Generator, *, width: float, length: float) -> Floats:
    """Scale strokes and let each differ a little from the one that it was drawn from."""
    rows = rows.copy()
    rows[:, RADIUS] *= width * 2 ** dice.uniform(-0.3, 0.3, len(rows))
    rows[:, LENGTH] *= width * length * dice.uniform(0.7, 1.4, len(rows))
    rows[:, BEND] /= width
    return rows


def _evened(rows: Floats, share: float) -> Floats:
    """Weaken all strokes beyond this share: they stood on ground that may not be where they go."""
    if not len(rows):
        return rows
    strength = np.abs(rows[:, CORE][:, 0])
    weaker = np.minimum(1, np.quantile(strength, share) / (strength + 1e-6))[:, None]
    rows = rows.copy()
    rows[:, CORE] *= weaker
    rows[:, RIM] *= weaker
    return rows


def _lay(paint: Floats, strokes: list[Stroke]) -> None:
    layers: dict[int, Layer] = {}
    for stroke in strokes:
        level = max(0, round(float(np.log2(stroke.row[RADIUS] / 1.3))))
        if level not in layers:
            layers[level] = Layer((paint.shape[0], paint.shape[1]), level)
        layers[level].add(stroke)
    for level in sorted(layers, reverse=True):
        layers[level].lay_on(paint)


def _match_contrast(lab: Floats, model: StyleModel) -> None:
    """Pull the lightness of the picture towards the style's own quantiles."""
    lightness = lab[:, :, 0]
    ranks = np.linspace(0, 1, TONE_STEPS)
    have = np.quantile(lightness[::2, ::2], ranks)
    want = np.interp(lightness, have, model.tones)
    pull = np.clip(want - lightness, -_TONE_REACH, _TONE_REACH)
    lab[:, :, 0] += (_TONE_PULL * pull).astype(np.float32)


def _match_palette(lab: Floats, model: StyleModel) -> None:
    """Pull each pixel's hue towards the palette colours near it, common ones pulling harder."""
    flat = lab.reshape(-1, 3)
    squares = (flat**2).sum(axis=1)[:, None] - 2 * flat @ model.palette.T
    squares += (model.palette**2).sum(axis=1)
    near = np.exp(-squares / (2 * _HUE_WIDTH**2)) * np.sqrt(model.weights) + np.float32(1e-12)
    wanted = near @ model.palette[:, 1:] / near.sum(axis=1, keepdims=True)
    flat[:, 1:] += _HUE_PULL * (wanted - flat[:, 1:])
