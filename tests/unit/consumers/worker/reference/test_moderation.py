"""Moderation: terms are found as words, however they are written."""

import pytest

from consumers.worker.reference.moderation import is_refused


@pytest.mark.parametrize(
    "prompt",
    [
        "gore",
        "A scene of TORTURE, at night",
        "child   abuse",
        "\uff4e\uff55\uff44\uff45 figure",  # full-width letters
        "nu\u200bde",  # a zero-width space inside
        "n\u0301ude",  # an accent put on top
        "포르노를 그려줘",
    ],
)
def test_a_listed_term_is_refused(prompt: str) -> None:
    assert is_refused(prompt)


@pytest.mark.parametrize(
    "prompt", ["denuded hills", "a lighthouse", "고요한 바다", "gorey cats", "", "🦊"]
)
def test_other_prompts_pass(prompt: str) -> None:
    assert not is_refused(prompt)
