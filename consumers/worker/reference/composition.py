"""Where things lie in a picture: drawn from prompt and seed alone, the same for every style."""

import hashlib
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from consumers.worker.reference.colour import Floats
from consumers.worker.reference.strokes import smoothed

GRID = 128
"""Cells along the shorter side."""

_WORDS: dict[str, tuple[str, ...]] = {
    "orb": (
        "moon",
        "sun",
        "eye",
        "planet",
        "face",
        "portrait",
        "flower",
        "rose",
        "fruit",
        "달",
        "해",
        "눈",
        "꽃",
        "얼굴",
    ),
    "spiral": (
        "spiral",
        "galaxy",
        "shell",
        "storm",
        "vortex",
        "whirl",
        "dance",
        "소용돌이",
        "은하",
        "폭풍",
    ),
    "hills": (
        "mountain",
        "hill",
        "landscape",
        "desert",
        "city",
        "house",
        "lighthouse",
        "village",
        "산",
        "언덕",
        "도시",
        "집",
    ),
    "waves": (
        "sea",
        "ocean",
        "wave",
        "river",
        "wind",
        "lake",
        "rain",
        "cloud",
        "바다",
        "파도",
        "강",
        "바람",
        "비",
        "구름",
    ),
    "rays": (
        "light",
        "star",
        "fire",
        "explosion",
        "crystal",
        "sunrise",
        "sunset",
        "별",
        "빛",
        "불",
    ),
    "boughs": (
        "tree",
        "forest",
        "root",
        "coral",
        "branch",
        "garden",
        "vein",
        "lightning",
        "나무",
        "숲",
        "정원",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Composition:
    """Fields (rows, columns) on a coarse grid, and the focus (down, right) in 0..1.

    `tone` 0 to 1, all equally common; `heading` the angle along which strokes run, radians.
    """

    tone: Floats
    heading: Floats
    focus: tuple[float, float]


@dataclass(frozen=True)
class _Scene:
    """Coordinates around the focus, the shorter side being 2 long, and the dice."""

    x: Floats
    y: Floats
    dice: np.random.Generator

    @property
    def radius(self) -> Floats:
        return np.hypot(self.x, self.y) + np.float32(0.02)

    @property
    def angle(self) -> Floats:
        return np.arctan2(self.y, self.x)


def dice_for(prompt: str, seed: int, purpose: str) -> np.random.Generator:
    """Return the random numbers that this prompt and seed give for one purpose, always the same."""
    text = unicodedata.normalize("NFC", prompt).strip()
    digest = hashlib.sha256(f"{purpose}\0{seed}\0{text}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def compose(prompt: str, seed: int, *, width: int, height: int) -> Composition:
    """Lay out a picture: a main motif that the prompt's words choose, a second one, and clouds."""
    dice = dice_for(prompt, seed, "composition")
    rows, columns = GRID * height // min(width, height), GRID * width // min(width, height)
    focus = (float(dice.uniform(0.3, 0.7)), float(dice.uniform(0.3, 0.7)))
    scene = _scene(rows, columns, focus, dice)
    first = _motif_of(prompt, dice)
    second = list(_MOTIFS)[int(dice.integers(len(_MOTIFS)))]
    tone_1, heading_1 = _MOTIFS[first](scene)
    tone_2, heading_2 = _MOTIFS[second](scene)
    clouds = noise(dice, rows, columns, slope=4.4)
    tone = _ranked(tone_1) + 0.25 * _ranked(tone_2) + 0.5 * _ranked(clouds)
    tone = _softened(tone - 1.5 * _frame(rows, columns))
    turn = np.exp(2j * heading_1) + 0.25 * np.exp(2j * heading_2)
    turn *= np.exp(1.1j * noise(dice, rows, columns, slope=3.5))
    heading = (np.angle(turn) / 2).astype(np.float32)
    return Composition(tone=_ranked(tone), heading=heading, focus=focus)


def enlarged(field: Floats, *, width: int, height: int) -> Floats:
    """Return a coarse field (rows, columns) smoothly enlarged to (height, width)."""
    picture = Image.fromarray(np.ascontiguousarray(field, dtype=np.float32))
    return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC), dtype=np.float32)


def noise(dice: np.random.Generator, rows: int, columns: int, *, slope: float) -> Floats:
    """Return clouds whose power falls with frequency to the minus `slope`; mean 0, deviation 1."""
    white = np.fft.rfft2(dice.standard_normal((rows, columns)))
    frequency = np.hypot(
        np.fft.fftfreq(rows)[:, None] * rows, np.fft.rfftfreq(columns)[None] * columns
    )
    shaped = np.fft.irfft2(white / np.maximum(frequency, 1) ** (slope / 2), s=(rows, columns))
    shaped -= shaped.mean()
    return np.asarray(shaped / (shaped.std() + 1e-9), dtype=np.float32)


def _motif_of(prompt: str, dice: np.random.Generator) -> str:
    """Return the motif whose word comes first in the prompt; else any, by the dice."""
    lowered = unicodedata.normalize("NFC", prompt).casefold()
    places = [
        (lowered.index(word), motif)
        for motif, words in _WORDS.items()
        for word in words
        if word in lowered
    ]
    drawn = list(_MOTIFS)[int(dice.integers(len(_MOTIFS)))]
    return min(places)[1] if places else drawn


def _scene(
    rows: int, columns: int, focus: tuple[float, float], dice: np.random.Generator
) -> _Scene:
    """Return coordinates bent by clouds, so that no motif is drawn with a ruler."""
    side = min(rows, columns) / 2
    y = (np.arange(rows, dtype=np.float32)[:, None] - rows * focus[0]) / side
    x = (np.arange(columns, dtype=np.float32)[None] - columns * focus[1]) / side
    bend = 0.14
    return _Scene(
        x=(x + bend * noise(dice, rows, columns, slope=4.2)).astype(np.float32),
        y=(y + bend * noise(dice, rows, columns, slope=4.2)).astype(np.float32),
        dice=dice,
    )


def _ranked(field: Floats) -> Floats:
    """Replace each value by its rank, 0 to 1: every tone becomes equally common."""
    ranks = np.empty(field.size, dtype=np.float32)
    ranks[np.argsort(field, axis=None, kind="stable")] = np.linspace(0, 1, field.size)
    return ranks.reshape(field.shape)


def _frame(rows: int, columns: int) -> Floats:
    """Return 0 in most of the picture, rising to 1 and more in the corners."""
    y = np.linspace(-1, 1, rows, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, columns, dtype=np.float32)[None]
    return np.asarray(np.maximum(0, np.hypot(x, y) - 0.95) / 0.3, dtype=np.float32)


def _softened(field: Floats) -> Floats:
    """Blur by a few cells, so that the rarest tones lie in whole patches."""
    for _ in range(3):
        field = smoothed(field)
    return field


def _orb(scene: _Scene) -> tuple[Floats, Floats]:
    size = scene.dice.uniform(0.25, 0.5)
    disc = 1 / (1 + np.exp((scene.radius - size) * 18))
    return disc - 0.3 * scene.radius, scene.angle + np.float32(np.pi / 2)


def _spiral(scene: _Scene) -> tuple[Floats, Floats]:
    arms, pitch = int(scene.dice.integers(2, 4)), scene.dice.uniform(2.0, 3.5)
    way = scene.dice.choice([-1, 1])
    wave = np.cos(arms * (scene.angle - way * pitch * np.log(scene.radius)))
    heading = scene.angle + way * (np.pi / 2 - 0.35)
    return wave + 1.6 * np.exp(-3 * scene.radius) - 0.8 * scene.radius, heading


def _hills(scene: _Scene) -> tuple[Floats, Floats]:
    tone = -0.25 * scene.y
    slope = np.zeros_like(scene.x)
    for layer in range(4):
        height, beat, shift = scene.dice.uniform((0.1, 1.0, 0), (0.35, 3.5, 6.3))
        edge = height * np.sin(beat * scene.x + shift) - 0.2 + 0.3 * layer
        below = 1 / (1 + np.exp(-(scene.y - edge) * 22))
        tone = tone * (1 - below) + below * (-0.35 * (layer + 1) + 0.4 * (scene.y - edge))
        slope = slope * (1 - below) + below * height * beat * np.cos(beat * scene.x + shift)
    return tone.astype(np.float32), np.arctan(slope).astype(np.float32)


def _waves(scene: _Scene) -> tuple[Floats, Floats]:
    beat, swell, shift = scene.dice.uniform((4, 0.1, 0), (8, 0.3, 6.3))
    phase = beat * (scene.y + swell * np.sin(2.2 * scene.x + shift))
    heading = np.arctan(-swell * 2.2 * np.cos(2.2 * scene.x + shift))
    return (np.sin(phase) - 0.4 * scene.y).astype(np.float32), heading.astype(np.float32)


def _rays(scene: _Scene) -> tuple[Floats, Floats]:
    count, shift = int(scene.dice.integers(5, 12)), scene.dice.uniform(0, 6.3)
    beams = np.cos(count * scene.angle + shift) * np.minimum(scene.radius, 1)
    return 0.5 * beams - 1.2 * scene.radius, scene.angle


def _boughs(scene: _Scene) -> tuple[Floats, Floats]:
    sweep = scene.dice.uniform(0.5, 1.1) * scene.dice.choice([-1, 1])
    heading = scene.angle + np.float32(sweep) * np.tanh(scene.radius)
    crown = np.exp(-2.5 * scene.radius**2) + 0.25 * np.sin(6 * heading)
    return crown.astype(np.float32), heading.astype(np.float32)


_MOTIFS: dict[str, Callable[[_Scene], tuple[Floats, Floats]]] = {
    "orb": _orb,
    "spiral": _spiral,
    "hills": _hills,
    "waves": _waves,
    "rays": _rays,
    "boughs": _boughs,
}
