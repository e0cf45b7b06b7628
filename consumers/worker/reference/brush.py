"""The brush: plans the paths of strokes and lays them, each on a layer as coarse as it is wide."""

from dataclasses import dataclass

import numpy as np

from consumers.worker.reference.colour import Floats
from consumers.worker.reference.composition import Composition, enlarged
from consumers.worker.reference.strokes import BEND, CORE, ELONGATION, LENGTH, RADIUS, RIM

_FINEST_RADIUS = 1.3
_SPACING = 0.5
_COVER = 1.5
_LOST = np.float32(0.75)
_MOST_BEND = 0.007
_RIM_AT, _BESIDE_AT = 1.5, 4.0
_STRIDE = 2.0
_LONGEST_STEPS = 320


@dataclass(frozen=True, kw_only=True)
class Stroke:
    """A planned stroke: its row of the model, scaled, and its path (n, 2), down and right."""

    row: Floats
    path: Floats
    is_line: bool


def plan_spots(
    rows: Floats,
    plan: Composition,
    dice: np.random.Generator,
    *,
    shape: tuple[int, int],
    gathering: float,
    coherence: float,
) -> list[Stroke]:
    """Place spots: bright ones gather where the tone is light, dark ones where it is dark."""
    bright = rows[:, CORE][:, 0] > 0
    places = np.zeros((len(rows), 2), dtype=np.float32)
    for mask, sign in ((bright, 1.0), (~bright, -1.0)):
        places[mask] = _draw_places(plan.tone, dice, int(mask.sum()), sign * gathering)
    cell = (places.clip(0, 0.999) * plan.tone.shape).astype(np.intp)
    stray = (1 - coherence) * dice.uniform(-np.pi / 2, np.pi / 2, len(rows))
    angle = plan.heading[cell[:, 0], cell[:, 1]] + stray
    along = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    reach = (_BESIDE_AT / _FINEST_RADIUS) * rows[:, RADIUS] * rows[:, ELONGATION]
    ends = places * shape, along * reach[:, None]
    return [
        Stroke(row=row, path=np.stack([at - way, at + way]).astype(np.float32), is_line=False)
        for row, at, way in zip(rows, *ends, strict=True)
    ]


def _draw_places(tone: Floats, dice: np.random.Generator, count: int, gathering: float) -> Floats:
    """Draw `count` places in 0..1, more of them where exp(gathering x tone) is large."""
    share = np.cumsum(np.exp(2 * gathering * (tone.ravel() - 0.5)).astype(np.float64))
    drawn = np.searchsorted(share / share[-1], dice.random(count)).clip(0, tone.size - 1)
    cells = np.stack(np.unravel_index(drawn, tone.shape), axis=1) + dice.random((count, 2))
    return np.asarray(cells / tone.shape, dtype=np.float32)


def plan_lines(
    rows: Floats,
    plan: Composition,
    dice: np.random.Generator,
    *,
    shape: tuple[int, int],
    coherence: float,
    branching: float,
) -> list[Stroke]:
    """Let lines grow along the composition's heading, thick ones first, thin ones out of them.

    `branching` is the share of lines, 0 to 1, that grow out of another.
    """
    rows = rows[np.argsort(-rows[:, RADIUS], kind="stable")]
    strokes: list[Stroke] = []
    first = max(1, round(len(rows) * (1 - branching)))
    for batch in (rows[:first], rows[first : 2 * first], rows[2 * first :]):
        if len(batch):
            starts, angles = _starts(strokes, plan, dice, len(batch), shape)
            paths = _trace(batch, starts, angles, plan, dice, shape, coherence)
            strokes.extend(
                Stroke(row=row, path=path, is_line=True)
                for row, path in zip(batch, paths, strict=True)
            )
    return strokes


def _starts(
    grown: list[Stroke],
    plan: Composition,
    dice: np.random.Generator,
    count: int,
    shape: tuple[int, int],
) -> tuple[Floats, Floats]:
    """Return start points and headings: around the focus at first, then out of grown lines."""
    turns = dice.uniform(0.35, 0.95, count) * dice.choice([-1, 1], count)
    if not grown:
        around = dice.uniform(-np.pi, np.pi, count)
        away = np.abs(dice.normal(0, 0.25, count)) * min(shape)
        ring = np.stack([np.sin(around), np.cos(around)], axis=1) * away[:, None]
        return (np.array(plan.focus) * shape + ring).astype(np.float32), around.astype(np.float32)
    starts, angles = [], []
    for parent, share, turn in zip(
        dice.integers(len(grown), size=count), dice.random(count), turns, strict=True
    ):
        path = grown[parent].path
        inside = ((path > 0) & (path < shape)).all(axis=1)
        at = int(share * max(1, inside.sum() - 2))
        ahead = path[min(at + 1, len(path) - 1)] - path[max(at - 1, 0)]
        starts.append(path[at])
        angles.append(np.arctan2(ahead[0], ahead[1]) + turn)
    return np.stack(starts), np.array(angles, dtype=np.float32)


def _trace(
    rows: Floats,
    starts: Floats,
    angles: Floats,
    plan: Composition,
    dice: np.random.Generator,
    shape: tuple[int, int],
    coherence: float,
) -> list[Floats]:
    """Step all lines together; each bends as its model does and yields to the heading."""
    counts = np.clip(rows[:, LENGTH] / _STRIDE, 4, _LONGEST_STEPS).astype(np.intp)
    at, heading = starts.astype(np.float32), angles
    drift = dice.standard_normal(len(rows))
    points = [at]
    for _ in range(int(counts.max())):
        cell = np.clip(at / shape, 0, 0.999) * plan.heading.shape
        flow = plan.heading[cell[:, 0].astype(np.intp), cell[:, 1].astype(np.intp)]
        pull = (flow - heading + np.pi / 2) % np.pi - np.pi / 2
        drift = 0.93 * drift + 0.37 * dice.standard_normal(len(rows))
        bend = np.minimum(rows[:, BEND], _MOST_BEND) * drift + pull * (0.004 + 0.03 * coherence)
        heading = heading + (bend * _STRIDE).astype(np.float32)
        step = np.stack([np.sin(heading), np.cos(heading)], axis=1) * _STRIDE
        at = at + step.astype(np.float32)
        points.append(at)
    paths = np.stack(points, axis=1)
    return [path[: count + 1] for path, count in zip(paths, counts, strict=True)]


class Layer:
    """Collects strokes of about one width on a raster in which that width is about one pixel."""

    def __init__(self, shape: tuple[int, int], level: int) -> None:
        self.scale = 2**level
        self.shape = (-(-shape[0] // self.scale) + 1, -(-shape[1] // self.scale) + 1)
        self._sums = np.zeros((4, self.shape[0] * self.shape[1]), dtype=np.float32)
        self._points: list[tuple[Floats, Floats]] = []

    def add(self, stroke: Stroke) -> None:
        """Lay one stroke: a ribbon of points along its path, each with its colour and weight."""
        path, ends = _ribbon_spine(stroke, self.scale)
        radius = stroke.row[RADIUS] / self.scale / _FINEST_RADIUS
        aside = np.arange(-_BESIDE_AT, _BESIDE_AT + 0.01, _SPACING, dtype=np.float32)
        ahead = np.gradient(path, axis=0)
        ahead /= np.linalg.norm(ahead, axis=1, keepdims=True) + 1e-6
        normal = np.stack([ahead[:, 1], -ahead[:, 0]], axis=1)
        taper = _taper(len(path)) if stroke.is_line else np.ones(len(path), dtype=np.float32)
        places = (
            path[:, None] + normal[:, None] * (aside * radius)[None, :, None] * taper[:, None, None]
        )
        distance = np.hypot(aside[None], ends[:, None])
        weight = _COVER * _SPACING * _SPACING * radius * taper[:, None] * _fade(distance)
        colour = _profile(stroke.row, distance) * weight[:, :, None]
        values = np.concatenate([colour, weight[:, :, None]], axis=2).astype(np.float32)
        self._points.append((places.reshape(-1, 2), values.reshape(-1, 4)))

    def lay_on(self, paint: Floats) -> None:
        """Add all collected strokes to the paint (h, w, 3) that lies on the ground so far."""
        places = np.concatenate([places for places, _ in self._points])
        values = np.concatenate([values for _, values in self._points])
        sums = _splat(places, values, self.shape)
        height, width = paint.shape[:2]
        fresh = np.stack(
            [
                enlarged(
                    sums[channel] / np.maximum(1, sums[3]),
                    width=self.shape[1] * self.scale,
                    height=self.shape[0] * self.scale,
                )[:height, :width]
                for channel in range(3)
            ],
            axis=2,
        )
        _glaze(paint, fresh)


def _glaze(paint: Floats, fresh: Floats) -> None:
    """Add fresh paint; where both darken or both lighten, most of the weaker one is lost."""
    old, new = paint[:, :, 0], fresh[:, :, 0]
    is_weaker, agrees = np.abs(new) < np.abs(old), old * new > 0
    paint *= (1 - _LOST * (agrees & ~is_weaker))[:, :, None]
    paint += fresh * (1 - _LOST * (agrees & is_weaker))[:, :, None]


def _ribbon_spine(stroke: Stroke, scale: int) -> tuple[Floats, Floats]:
    """Return path points every _SPACING pixels of the layer, and how far each is past the end."""
    path = stroke.path / scale
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    gone = np.concatenate([[0], np.cumsum(steps)])
    at = np.linspace(0, gone[-1], max(3, int(gone[-1] / _SPACING)))
    spine = np.stack([np.interp(at, gone, path[:, i]) for i in (0, 1)], axis=1).astype(np.float32)
    if stroke.is_line:
        return spine, np.zeros(len(spine), dtype=np.float32)
    return spine, np.linspace(-_BESIDE_AT, _BESIDE_AT, len(spine), dtype=np.float32)


def _taper(count: int) -> Floats:
    """Return how wide a line is along its path: full at its root, a third at its tip."""
    narrowing = np.linspace(1, 0.35, count, dtype=np.float32)
    from_end = np.minimum(np.arange(count), np.arange(count)[::-1]).astype(np.float32)
    return np.asarray(narrowing * np.minimum(1, 0.15 + 0.12 * from_end), dtype=np.float32)


def _fade(distance: Floats) -> Floats:
    return np.asarray(np.clip(2 * (1 - distance / _BESIDE_AT), 0, 1), dtype=np.float32)


def _profile(row: Floats, distance: Floats) -> Floats:
    """Return the stroke's colour over its ground at a distance from its middle, as measured."""
    to_rim = np.clip(distance / _RIM_AT, 0, 1)[:, :, None] ** 2
    to_edge = np.clip((distance - _RIM_AT) / (_BESIDE_AT - _RIM_AT), 0, 1)[:, :, None]
    colour: Floats = (row[CORE] * (1 - to_rim) + row[RIM] * to_rim) * (1 - to_edge)
    return colour


def _splat(places: Floats, values: Floats, shape: tuple[int, int]) -> Floats:
    """Spread each point's values (n, 4) over its four pixels; returns (4, rows, columns)."""
    rows, columns = shape
    inside = ((places >= 0) & (places < (rows - 1, columns - 1))).all(axis=1)
    places, values = places[inside], values[inside]
    low = places.astype(np.intp)
    part = places - low
    sums = np.zeros((4, rows * columns))
    for down in (0, 1):
        for right in (0, 1):
            share = np.abs(1 - down - part[:, 0]) * np.abs(1 - right - part[:, 1])
            index = (low[:, 0] + down) * columns + low[:, 1] + right
            for channel in range(4):
                sums[channel] += np.bincount(
                    index, weights=values[:, channel] * share, minlength=rows * columns
                )
    return sums.reshape(4, rows, columns).astype(np.float32)
