"""The model file: there and back, and every wrong file refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from consumers.worker.job import Result
from consumers.worker.reference.colour import Floats
from consumers.worker.reference.model import FORMAT, InvalidModel, facts_of, read_model

Tensors = dict[str, Floats]

ABOUT = f'{{"format": "{FORMAT}"}}'


def test_a_model_comes_back_as_it_was_saved(trained: dict[str, Result]) -> None:
    content = trained["retina"].content
    model = read_model(content)
    assert model.to_bytes({k: v for k, v in facts_of(content).items() if k != "format"}) == content


def test_a_model_says_what_it_was_learned_from(trained: dict[str, Result]) -> None:
    assert facts_of(trained["retina"].content) == {
        "format": FORMAT,
        "style_id": "style",
        "training_id": "training",
        "images": "12",
        "epochs": str(trained["retina"].metrics["epochs"]),
    }


@pytest.mark.parametrize(
    "content", [b"", b"short", b"\xff" * 64, b"\x08\0\0\0\0\0\0\0notjson!", b"\x02\0\0\0\0\0\0\0{}"]
)
def test_a_file_that_is_no_model_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidModel):
        read_model(content)


def _without(name: str) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {k: v for k, v in tensors.items() if k != name}


def _with(name: str, change: Callable[[Floats], Floats]) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {**tensors, name: change(tensors[name])}


@pytest.mark.parametrize(
    "change",
    [
        _without("ramp"),
        _with("ramp", lambda t: t[:-1]),
        _with("ramp", lambda t: t.ravel()),
        _with("tones", lambda t: t.astype(np.float64)),
        _with("slope", lambda t: t * np.float32(np.nan)),
        _with("density", lambda t: t + np.float32(1e9)),
        _with("strokes", lambda t: np.repeat(t, 10, axis=0)),
        _with("strokes", lambda t: t * np.float32(100)),
        lambda tensors: {**tensors, "more": np.zeros(1, dtype=np.float32)},
    ],
)
def test_a_model_with_another_content_is_refused(
    trained: dict[str, Result], change: Callable[[Tensors], Tensors]
) -> None:
    tensors = load(trained["retina"].content)
    with pytest.raises(InvalidModel):
        read_model(save(change(tensors), metadata={"style": ABOUT}))


@pytest.mark.parametrize("about", ["", "[]", "{}", '{"format": "other"}'])
def test_a_model_of_another_format_is_refused(trained: dict[str, Result], about: str) -> None:
    with pytest.raises(InvalidModel):
        read_model(save(load(trained["retina"].content), metadata={"style": about}))


def test_a_model_cut_in_the_middle_is_refused(model_files: dict[str, Path]) -> None:
    content = model_files["deep-field"].read_bytes()
    with pytest.raises(InvalidModel):
        read_model(content[: len(content) // 2])
