"""Colours: OKLab there and back, and the fit of a palette."""

import numpy as np
import pytest

from consumers.worker.reference.colour import fit_palette, to_oklab, to_rgb


def test_every_colour_comes_back_from_oklab_unchanged() -> None:
    steps = np.arange(0, 256, 5, dtype=np.uint8)
    colours = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3)
    assert np.array_equal(to_rgb(to_oklab(colours)), colours)


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        ((255, 255, 255), (1.0, 0.0, 0.0)),
        ((0, 0, 0), (0.0, 0.0, 0.0)),
        ((255, 0, 0), (0.62796, 0.22486, 0.12585)),
        ((0, 0, 255), (0.45201, -0.03246, -0.31153)),
    ],
)
def test_oklab_has_the_published_values(rgb: tuple[int, ...], lab: tuple[float, ...]) -> None:
    assert np.allclose(to_oklab(np.array([rgb], dtype=np.uint8))[0], lab, atol=1e-4)


def test_a_colour_beyond_the_screen_is_clipped() -> None:
    beyond = np.array([[1.4, 0, 0], [-0.2, 0, 0]], dtype=np.float32)
    assert to_rgb(beyond).tolist() == [[255, 255, 255], [0, 0, 0]]


def test_a_palette_finds_the_colours_and_their_shares() -> None:
    dice = np.random.default_rng(1)
    truth = np.array([[0.2, 0.1, 0.0], [0.5, -0.1, 0.1], [0.9, 0.0, -0.1]], dtype=np.float32)
    pixels = np.repeat(truth, (100, 300, 600), axis=0)
    pixels = pixels + dice.normal(0, 0.005, pixels.shape).astype(np.float32)
    epochs: list[int] = []
    palette = fit_palette(pixels=pixels, size=3, epochs=50, tolerance=1e-4, report=epochs.append)
    order = np.argsort(palette.colours[:, 0])
    assert np.allclose(palette.colours[order], truth, atol=0.002)
    assert np.allclose(palette.weights[order], (0.1, 0.3, 0.6))
    assert palette.epochs == len(epochs) < 50


def test_a_palette_of_one_colour_keeps_its_unused_colours() -> None:
    pixels = np.full((10, 3), 0.5, dtype=np.float32)
    palette = fit_palette(pixels=pixels, size=3, epochs=5, tolerance=0.0, report=lambda _: None)
    assert np.allclose(palette.colours, 0.5)
    assert palette.weights.tolist() == [1.0, 0.0, 0.0]


def test_a_palette_stops_when_its_epochs_are_used_up() -> None:
    pixels = np.random.default_rng(2).random((500, 3)).astype(np.float32)
    palette = fit_palette(pixels=pixels, size=8, epochs=2, tolerance=0.0, report=lambda _: None)
    assert palette.epochs == 2
