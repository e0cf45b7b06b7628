"""Finds and measures the strokes of a picture: lines and spots, dark or bright, at five sizes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from consumers.worker.reference.colour import Floats

LEVELS = 5
COLUMNS = 12
"""Of a stroke row: radius, length, bend (radians per pixel), core colour minus the colour beside it
(3), rim colour minus the colour beside it (3), lightness beside it, angle (radians), elongation."""
RADIUS, LENGTH, BEND, CORE, RIM, BESIDE, ANGLE, ELONGATION = (
    0,
    1,
    2,
    slice(3, 6),
    slice(6, 9),
    9,
    10,
    11,
)
LEAST = (0.5, 1, 0, -1, -1, -1, -1, -1, -1, -1, -10, 0.9)
MOST = (64, 8192, 1, 1, 1, 1, 1, 1, 1, 2, 10, 4)
"""The bounds of each column: a model beyond them was not learned by this code."""
LINE_LENGTH, LINE_RATIO = 24, 9
"""A line is longer than so many pixels, and than so many times its radius; all else is a spot."""


_GROUND_CELL = 16
_STAGE_CELL = 64
_STANDS_OUT = 0.3
_FINEST_RADIUS = 1.3
_SEEDS_PER_LEVEL = 320
_TRACE_STEPS = 160
_LEAST_CURVATURE = 0.004
_NOISE_FACTOR = 4.0
_MOST_ELONGATION = 4.0


@dataclass(frozen=True)
class _Ridges:
    """Second derivatives of one pyramid level: strength (signed: positive is dark), angle along."""

    strength: Floats
    angle: Floats
    roundness: Floats


@dataclass(frozen=True)
class _Found:
    """One measured stroke and the cells of 4x4 pixels that it covers."""

    strength: float
    row: Floats
    cells: NDArray[np.intp]
    reach: int

    def takes_place(self, taken: NDArray[np.bool_]) -> bool:
        """Claim the stroke's cells; False if a stronger one lies at its strongest point already."""
        if taken[tuple(self.cells[0])]:
            return False
        for y, x in set(map(tuple, self.cells.tolist())):
            rows, columns = max(0, y - self.reach), max(0, x - self.reach)
            taken[rows : y + self.reach + 1, columns : x + self.reach + 1] = True
        return True


def find_strokes(levels: list[Floats], ground: Floats) -> Floats:
    """Return the strokes (n, COLUMNS) of a pyramid of a picture, each once, strongest first."""
    stages = _stages(ground[:, :, 0])
    ridges = [_ridges(level[:, :, 0]) for level in levels]
    found = []
    for level in range(LEVELS):
        seeds = _peaks(ridges, level)
        if len(seeds):
            found.extend(_level_strokes(levels, ridges[level], seeds, stages, level))
    found.sort(key=lambda stroke: -stroke.strength)
    rows, columns = levels[0].shape[:2]
    taken = np.zeros((rows // 4 + 1, columns // 4 + 1), dtype=bool)
    kept = [stroke.row for stroke in found if stroke.takes_place(taken)]
    return np.stack(kept) if kept else np.zeros((0, COLUMNS), dtype=np.float32)


def ground_of(lab: Floats) -> Floats:
    """Return the median colour of each cell of 16x16 pixels: what lies under the strokes."""
    rows, columns = lab.shape[0] // _GROUND_CELL, lab.shape[1] // _GROUND_CELL
    cells = lab[: rows * _GROUND_CELL, : columns * _GROUND_CELL]
    cells = cells.reshape(rows, _GROUND_CELL, columns, _GROUND_CELL, 3)[:, ::2, :, ::2]
    return np.asarray(np.median(cells, axis=(1, 3)), dtype=np.float32)


def _stages(lightness: Floats) -> Floats:
    """Return the median lightness of each cell of 64x64 pixels of a ground."""
    side = _STAGE_CELL // _GROUND_CELL
    rows, columns = lightness.shape[0] // side, lightness.shape[1] // side
    cells = lightness[: rows * side, : columns * side].reshape(rows, side, columns, side)
    return np.asarray(np.median(cells, axis=(1, 3)), dtype=np.float32)


def pyramid(lab: Floats) -> list[Floats]:
    """Return the picture and its halvings, LEVELS in all, each smoothed before it is halved."""
    levels = [lab]
    while len(levels) < LEVELS:
        smooth = smoothed(levels[-1])
        rows, columns = smooth.shape[0] // 2 * 2, smooth.shape[1] // 2 * 2
        even = smooth[:rows, :columns]
        quarter = even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]
        levels.append(quarter / np.float32(4))
    return levels


def smoothed(field: Floats) -> Floats:
    """Blur by the binomial kernel 1 4 6 4 1 along both axes; edges are repeated."""
    for axis in (0, 1):
        turned = np.moveaxis(field, axis, 0)
        wide = np.concatenate([turned[:1], turned[:1], turned, turned[-1:], turned[-1:]])
        blurred = wide[1:-3] + wide[3:-1]
        blurred += wide[2:-2] * np.float32(1.5)
        blurred *= np.float32(4)
        blurred += wide[:-4]
        blurred += wide[4:]
        blurred /= np.float32(16)
        field = np.moveaxis(blurred, 0, axis)
    return field


def _ridges(lightness: Floats) -> _Ridges:
    """Eigenvalues of the Hessian: the larger is the strength, the other's axis the angle."""
    wide = np.pad(smoothed(lightness), 1, mode="edge")
    centre = wide[1:-1, 1:-1]
    xx = wide[1:-1, 2:] - 2 * centre + wide[1:-1, :-2]
    yy = wide[2:, 1:-1] - 2 * centre + wide[:-2, 1:-1]
    xy = (wide[2:, 2:] + wide[:-2, :-2] - wide[2:, :-2] - wide[:-2, 2:]) / 4
    half, spread = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    strength = half + np.where(half >= 0, spread, -spread)
    across = 0.5 * np.arctan2(2 * xy, xx - yy) + np.where(half >= 0, 0, np.pi / 2)
    roundness = (half - np.where(half >= 0, spread, -spread)) / (np.abs(strength) + 1e-9)
    fields = (strength, across + np.pi / 2, np.abs(roundness))
    return _Ridges(*(field.astype(np.float32) for field in fields))


def _level_strokes(
    levels: list[Floats],
    ridges: _Ridges,
    seeds: NDArray[np.intp],
    stages: Floats,
    level: int,
) -> list[_Found]:
    paths, valid, bends = _trace(ridges, seeds)
    rows = _measure(levels, ridges, level, seeds, paths, valid)
    rows[:, BEND] = bends / 2**level
    strength, contrast = ridges.strength[seeds[:, 0], seeds[:, 1]], rows[:, CORE][:, 0]
    stage = np.minimum(seeds * 2**level // _STAGE_CELL, np.array(stages.shape) - 1)
    over = contrast + rows[:, BESIDE] - stages[stage[:, 0], stage[:, 1]]
    # Dark is positive curvature. A gap between bright spots is dark only beside them: no stroke.
    is_stroke = (contrast * strength < 0) & (
        over * np.sign(contrast) > np.abs(contrast) * _STANDS_OUT
    )
    reach = max(1, 2**level // 4)
    return [
        _Found(
            float(abs(strength[i])),
            rows[i],
            (np.concatenate([seeds[i : i + 1], paths[i][valid[i]]]) * 2**level / 4).astype(np.intp),
            reach,
        )
        for i in np.flatnonzero(is_stroke)
    ]


def _peaks(ridges: list[_Ridges], level: int) -> NDArray[np.intp]:
    """Return the strongest points (n, 2) that neither a neighbour nor another size tops."""
    strength = np.abs(ridges[level].strength)
    floor = max(_LEAST_CURVATURE, _NOISE_FACTOR * float(np.median(strength)))
    inner = strength[2:-2, 2:-2]
    top = inner > floor
    rows, columns = strength.shape
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            if down or right:
                top &= (
                    inner >= strength[2 + down : rows - 2 + down, 2 + right : columns - 2 + right]
                )
    points = np.argwhere(top) + 2
    for other in {max(level - 1, 0), min(level + 1, LEVELS - 1)} - {level}:
        there = np.abs(ridges[other].strength)
        cell = points * 2 if other < level else points // 2
        cell = np.minimum(cell, np.array(there.shape) - 1)
        points = points[strength[points[:, 0], points[:, 1]] >= there[cell[:, 0], cell[:, 1]]]
    order = np.argsort(-strength[points[:, 0], points[:, 1]], kind="stable")
    return points[order[:_SEEDS_PER_LEVEL]]


def _trace(ridges: _Ridges, seeds: NDArray[np.intp]) -> tuple[Floats, NDArray[np.bool_], Floats]:
    """Follow each seed's ridge both ways while it stays a third as strong.

    Returns paths (n, steps, 2), which of their points are valid, and the mean bend per point.
    """
    ahead, ahead_valid, ahead_bend = _follow(ridges, seeds, 0.0)
    back, back_valid, back_bend = _follow(ridges, seeds, np.pi)
    paths = np.concatenate([back[:, ::-1], seeds[:, None].astype(np.float32), ahead], axis=1)
    middle = np.ones((len(seeds), 1), dtype=bool)
    valid = np.concatenate([back_valid[:, ::-1], middle, ahead_valid], axis=1)
    return paths, valid, ((ahead_bend + back_bend) / valid.sum(axis=1)).astype(np.float32)


def _follow(
    ridges: _Ridges, seeds: NDArray[np.intp], turn: float
) -> tuple[Floats, NDArray[np.bool_], Floats]:
    rows, columns = ridges.strength.shape
    at = seeds.astype(np.float32)
    first = ridges.strength[seeds[:, 0], seeds[:, 1]]
    heading = ridges.angle[seeds[:, 0], seeds[:, 1]] + np.float32(turn)
    path = np.zeros((len(seeds), _TRACE_STEPS, 2), dtype=np.float32)
    valid = np.zeros((len(seeds), _TRACE_STEPS), dtype=bool)
    turned = np.zeros(len(seeds), dtype=np.float32)
    alive = np.arange(len(seeds))
    for step in range(_TRACE_STEPS):
        way = heading[alive]
        at[alive] += np.stack([np.sin(way), np.cos(way)], axis=1)
        cell = np.rint(at[alive]).astype(np.intp)
        inside = ((cell >= 0) & (cell < (rows, columns))).all(axis=1)
        alive, cell = alive[inside], cell[inside]
        here, along = ridges.strength[cell[:, 0], cell[:, 1]], ridges.angle[cell[:, 0], cell[:, 1]]
        bend = (along - heading[alive] + np.pi / 2) % np.pi - np.pi / 2
        goes_on = (here * np.sign(first[alive]) > np.abs(first[alive]) / 3) & (np.abs(bend) < 0.9)
        alive, bend = alive[goes_on], bend[goes_on]
        if not len(alive):
            break
        path[alive, step], valid[alive, step] = at[alive], True
        turned[alive] += np.abs(bend)
        heading[alive] += (bend * 0.6).astype(np.float32)
    return path, valid, turned


def _measure(
    levels: list[Floats],
    ridges: _Ridges,
    level: int,
    seeds: NDArray[np.intp],
    paths: Floats,
    valid: NDArray[np.bool_],
) -> Floats:
    """Return the strokes' rows; colours are zero where the colours on the two sides differ more."""
    here = seeds[:, 0], seeds[:, 1]
    rows = np.zeros((len(seeds), COLUMNS), dtype=np.float32)
    rows[:, RADIUS] = _FINEST_RADIUS * 2**level
    rows[:, LENGTH] = valid.sum(axis=1) * 2**level
    rows[:, ANGLE] = ridges.angle[here]
    rows[:, ELONGATION] = np.minimum(_MOST_ELONGATION, (ridges.roundness[here] + 0.01) ** -0.5)
    lines = are_lines(rows)[:, None]
    core = np.where(lines, _mean_core(levels, level, paths, valid), levels[level][here])
    across = ridges.angle[here] + np.pi / 2
    rims, sides = (_both_sides(levels[level], seeds, across, reach) for reach in (1.5, 4.0))
    beside = sides.mean(axis=0)
    rows[:, BESIDE] = beside[:, 0]
    differ = np.abs(sides[0, :, 0] - sides[1, :, 0]) < np.abs(core[:, 0] - beside[:, 0])
    rows[:, CORE] = (core - beside) * differ[:, None]
    rows[:, RIM] = (rims.mean(axis=0) - beside) * differ[:, None]
    return rows


def _mean_core(levels: list[Floats], level: int, paths: Floats, valid: NDArray[np.bool_]) -> Floats:
    """Return mean colours along the paths, read one level finer where less is washed out."""
    finer = max(level - 1, 0)
    points = np.rint(paths[valid]).astype(np.intp) * (2 if finer < level else 1)
    colours = levels[finer][points[:, 0], points[:, 1]]
    counts = valid.sum(axis=1)
    sums = np.add.reduceat(colours, np.concatenate([[0], np.cumsum(counts)[:-1]]), axis=0)
    return np.asarray(sums / counts[:, None], dtype=np.float32)


def are_lines(rows: Floats) -> NDArray[np.bool_]:
    """Tell lines from spots among strokes (n, COLUMNS)."""
    length = rows[:, LENGTH]
    lines: NDArray[np.bool_] = (length > LINE_LENGTH) & (length > LINE_RATIO * rows[:, RADIUS])
    return lines


def _both_sides(picture: Floats, seeds: NDArray[np.intp], across: Floats, reach: float) -> Floats:
    """Return the colours (2, n, 3) at `reach` pixels on either side of the seeds."""
    limits = np.array(picture.shape[:2]) - 1
    aside = np.stack([np.sin(across), np.cos(across)], axis=1) * reach
    ways = [np.clip(np.rint(seeds + way * aside).astype(np.intp), 0, limits) for way in (1, -1)]
    return np.stack([picture[way[:, 0], way[:, 1]] for way in ways])
