"""The learned style: what it holds, and its form on disk (.safetensors)."""

import json
import struct
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike
from safetensors import SafetensorError
from safetensors.numpy import load, save

from consumers.worker.reference.colour import Floats
from consumers.worker.reference.strokes import COLUMNS, LEAST, MOST

FORMAT = "painted-style-1"
PALETTE_SIZE = 12
RAMP_STEPS = 64
TONE_STEPS = 256
MAX_STROKES = 4096
GRAIN_SIZES = 3


class InvalidModel(Exception):
    """The file is not a style that this painter can read."""


@dataclass(frozen=True, kw_only=True)
class StyleModel:
    """All that the painter knows of a style; colours in OKLab, lengths in pixels at 512x512."""

    palette: Floats  # (PALETTE_SIZE, 3)
    weights: Floats  # (PALETTE_SIZE,) share of the pixels near each colour
    ramp: Floats  # (RAMP_STEPS, 3) ground colours from the darkest share to the lightest
    spread: Floats  # (RAMP_STEPS, 3) how far the ground strays from the ramp there
    tones: Floats  # (TONE_STEPS,) quantiles of lightness of whole pictures: the contrast
    strokes: Floats  # (n, COLUMNS) measured strokes, see strokes.py
    density: Floats  # (1,) strokes in a picture of 512x512
    grain: Floats  # (GRAIN_SIZES,) amplitude of the texture at 1, 2 and 4 pixels
    coherence: Floats  # (1,) 0: strokes lie anyhow; 1: neighbours are parallel
    slope: Floats  # (1,) fall of the spectrum, log power over log frequency

    def to_bytes(self, facts: dict[str, str]) -> bytes:
        """Return the .safetensors file, with `facts` in its metadata beside the format's name."""
        tensors = {f.name: np.ascontiguousarray(getattr(self, f.name)) for f in fields(self)}
        about = json.dumps({"format": FORMAT, **facts}, sort_keys=True)
        # One entry only: the library writes several in another order each time.
        return bytes(save(tensors, metadata={"style": about}))


_SHAPES: dict[str, tuple[int | None, ...]] = {
    "palette": (PALETTE_SIZE, 3),
    "weights": (PALETTE_SIZE,),
    "ramp": (RAMP_STEPS, 3),
    "spread": (RAMP_STEPS, 3),
    "tones": (TONE_STEPS,),
    "strokes": (None, COLUMNS),
    "density": (1,),
    "grain": (GRAIN_SIZES,),
    "coherence": (1,),
    "slope": (1,),
}
_BOUNDS: dict[str, tuple[ArrayLike, ArrayLike]] = {
    "strokes": (LEAST, MOST),
    "density": (0, 10_000),
    "slope": (-10, 10),
}
_COLOUR_BOUNDS = (-1.5, 1.5)


def read_model(content: bytes) -> StyleModel:
    """Read a .safetensors file; raises InvalidModel unless every tensor is as expected."""
    try:
        tensors = load(content)
    except (SafetensorError, KeyError, ValueError, TypeError, OverflowError) as error:
        raise InvalidModel("not a .safetensors file of numbers") from error
    if set(tensors) != set(_SHAPES) or facts_of(content).get("format") != FORMAT:
        raise InvalidModel(f"not a model of format {FORMAT}")
    for name, shape in _SHAPES.items():
        _check(name, tensors[name], shape)
    return StyleModel(**tensors)


def facts_of(content: bytes) -> dict[str, str]:
    """Return the metadata of a .safetensors file that `load` accepted."""
    (size,) = struct.unpack("<Q", content[:8])
    metadata = json.loads(content[8 : 8 + size]).get("__metadata__") or {}
    try:
        facts = json.loads(metadata.get("style", "{}"))
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}


def _check(name: str, tensor: Floats, shape: tuple[int | None, ...]) -> None:
    if tensor.dtype != np.float32 or tensor.ndim != len(shape):
        raise InvalidModel(f"{name} has another type or rank")
    if any(want not in (None, have) for want, have in zip(shape, tensor.shape, strict=True)):
        raise InvalidModel(f"{name} has another shape")
    least, most = _BOUNDS.get(name, _COLOUR_BOUNDS)
    is_inside = (tensor >= np.asarray(least, np.float32)) & (
        tensor <= np.asarray(most, np.float32)
    )  # false for NaN
    if len(tensor) > MAX_STROKES or not is_inside.all():
        raise InvalidModel(f"{name} is out of bounds")
