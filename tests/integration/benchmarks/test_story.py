"""The benches' commands against a real book: accepted, or the bench fails."""

from uuid import UUID

import pytest

from benchmarks import story
from core.ids import new_id
from ledger.book.read import heads

ARTIST = story.person(0, "artist")
PAYER = story.person(1)

pytestmark = pytest.mark.usefixtures("database")


def test_a_generation_is_ordered_started_and_paid() -> None:
    story.open_wallets([PAYER])
    story.train_styles([ARTIST])

    (requested,) = story.accepted([story.request(PAYER, ARTIST)])
    generation = UUID(requested.stream[-36:])
    story.in_batches([story.start(generation)])
    (completed,) = story.accepted([story.complete(generation)])

    assert completed.state.job.is_terminal
    assert sum(head.position for head in heads().values()) == 1 + 2 + 2 + 1 + 2


def test_a_refused_command_fails_the_bench() -> None:
    story.train_styles([ARTIST])

    with pytest.raises(story.NotAccepted, match="InsufficientTokens"):
        story.accepted([story.request(PAYER, ARTIST)])


def test_a_command_that_changes_nothing_fails_the_bench() -> None:
    story.open_wallets([PAYER])
    story.train_styles([ARTIST])
    order = story.request(PAYER, ARTIST)
    story.accepted([order])

    with pytest.raises(story.NotAccepted, match="replayed=True"):
        story.accepted([order])


def test_people_are_the_same_in_every_process() -> None:
    assert story.person(7) == story.person(7) != story.person(7, "artist")
    assert story.style_of(ARTIST).bytes[15] == ARTIST.bytes[15] == new_id(ARTIST).bytes[15]
