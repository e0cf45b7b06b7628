"""Composition: from prompt and seed alone; every tone is equally common."""

import numpy as np
import pytest

from consumers.worker.reference.composition import _WORDS, compose


def test_the_same_prompt_and_seed_give_the_same_composition() -> None:
    one, other = (compose("a fox", 5, width=512, height=512) for _ in range(2))
    assert np.array_equal(one.tone, other.tone)
    assert np.array_equal(one.heading, other.heading)


def test_another_prompt_or_seed_gives_another_composition() -> None:
    first = compose("a fox", 5, width=512, height=512)
    for other in (
        compose("a fog", 5, width=512, height=512),
        compose("a fox", 6, width=512, height=512),
    ):
        assert not np.array_equal(first.tone, other.tone)


def test_a_prompt_written_in_two_unicode_ways_is_one_prompt() -> None:
    composed, split = (compose(p, 1, width=512, height=512) for p in ("caf\u00e9", "cafe\u0301"))
    assert np.array_equal(composed.tone, split.tone)


@pytest.mark.parametrize(
    "prompt", [*(words[0] for words in _WORDS.values()), "바다", "xyzzy", "🦊"]
)
def test_every_tone_is_equally_common_and_every_heading_finite(prompt: str) -> None:
    plan = compose(prompt, 1, width=512, height=1024)
    assert plan.tone.shape == plan.heading.shape == (256, 128)
    shares = np.histogram(plan.tone, bins=10, range=(0, 1))[0] / plan.tone.size
    assert np.allclose(shares, 0.1, atol=0.001)
    assert np.isfinite(plan.heading).all()
