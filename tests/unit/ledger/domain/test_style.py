"""What an artist offers, at which price, and whether it takes orders."""

from dataclasses import replace
from typing import Any

import pytest

from ledger.domain import style
from ledger.domain.change import Change
from ledger.domain.errors import (
    IdTaken,
    NotTheOwner,
    PriceOutOfRange,
    StyleInactive,
    StyleNotTrained,
    UnknownStyle,
)
from ledger.domain.events import AccountClosed, Sealed
from ledger.domain.style import DeactivateStyle, DraftStyle, ReactivateStyle, ReviseStyle
from ledger.domain.style import StyleState as State
from tests.unit.ledger.domain.stories import (
    ARTIST,
    LATER,
    NOW,
    STRANGER,
    STYLE,
    TERMS,
    TEXT,
    UUID,
    draft,
    events,
    fold,
    names,
    trained,
)

OTHER_TEXT = Sealed("YW5kZXJz", UUID(int=2))


def revise(state: State | None, **given: Any) -> list[Change]:
    command = ReviseStyle(**{"style_id": STYLE, "artist_id": ARTIST, **given})
    return style.revise_style(command, terms=TERMS, style=state)


def deactivate(state: State | None, artist_id: UUID = ARTIST) -> list[Change]:
    command = DeactivateStyle(style_id=STYLE, artist_id=artist_id)
    return style.deactivate_style(command, style=state)


def reactivate(state: State | None, artist_id: UUID = ARTIST) -> list[Change]:
    command = ReactivateStyle(style_id=STYLE, artist_id=artist_id)
    return style.reactivate_style(command, style=state)


def inactive(state: State) -> State:
    return replace(state, is_active=False)


def test_a_draft_without_a_price_has_the_default_one() -> None:
    state = draft(description=OTHER_TEXT, tags=("oil", "sea"))
    assert (state.price, state.tags, state.description) == (100, ("oil", "sea"), OTHER_TEXT)
    assert (state.name, state.drafted_at) == (TEXT, NOW)
    assert not state.is_public


@pytest.mark.parametrize("price", [9, 10_001, 0, -100])
def test_a_price_outside_its_range_is_refused(price: int) -> None:
    with pytest.raises(PriceOutOfRange) as refusal:
        draft(price=price)
    assert refusal.value.details == {"minimum": 10, "maximum": 10_000}
    with pytest.raises(PriceOutOfRange):
        revise(draft(), price=price)


@pytest.mark.parametrize("price", [10, 10_000])
def test_a_price_at_the_edge_of_its_range_is_fine(price: int) -> None:
    assert draft(price=price).price == price


def test_a_style_is_drafted_once() -> None:
    command = DraftStyle(style_id=STYLE, artist_id=ARTIST, name=TEXT)
    with pytest.raises(IdTaken):
        style.draft_style(command, terms=TERMS, style=draft())


def test_a_revision_changes_what_is_given() -> None:
    changes = revise(draft(), name=OTHER_TEXT, description=OTHER_TEXT, price=50, tags=("ink",))
    assert names(changes) == ["StyleRenamed", "StyleDescribed", "StylePriced", "StyleTagged"]
    state = fold(style.evolve, changes, f"style-{STYLE}", draft())
    assert (state.name, state.description) == (OTHER_TEXT, OTHER_TEXT)
    assert (state.price, state.tags) == (50, ("ink",))


def test_a_revision_to_what_is_there_changes_nothing() -> None:
    assert revise(draft(), price=100, tags=()) == []
    assert revise(draft()) == []


def test_a_deactivated_style_takes_no_orders_until_it_is_reactivated() -> None:
    stopped = fold(style.evolve, deactivate(trained()), f"style-{STYLE}", trained())
    with pytest.raises(StyleInactive):
        style.orderable(stopped, user_id=STRANGER)
    again = fold(style.evolve, reactivate(stopped), f"style-{STYLE}", stopped)
    assert style.orderable(again, user_id=STRANGER) == (again, again.model)


def test_deactivating_and_reactivating_twice_change_nothing() -> None:
    assert deactivate(inactive(trained())) == []
    assert reactivate(trained()) == []
    assert events(deactivate(trained()))[0].reason == "owner"


def test_a_training_that_ends_does_not_reactivate_the_style() -> None:
    trained_event = trained().model
    assert trained_event is not None
    state = style.evolve(inactive(draft()), trained_event, LATER)
    assert state is not None
    assert (state.is_active, state.is_public, state.revised_at) == (False, False, LATER)


def test_a_draft_is_ordered_by_nobody_and_hidden_from_others() -> None:
    """G13."""
    with pytest.raises(StyleNotTrained):
        style.orderable(draft(), user_id=ARTIST)
    with pytest.raises(UnknownStyle):
        style.orderable(draft(), user_id=STRANGER)
    with pytest.raises(UnknownStyle):
        style.orderable(None, user_id=STRANGER)


@pytest.mark.parametrize(
    ("state", "refusal"),
    [
        (None, UnknownStyle),
        (draft(), UnknownStyle),
        (inactive(trained()), UnknownStyle),
        (trained(), NotTheOwner),
    ],
)
def test_nobody_changes_what_is_not_theirs(state: State | None, refusal: type[Exception]) -> None:
    """G13: a style that is not public does not exist for others."""
    with pytest.raises(refusal):
        revise(state, artist_id=STRANGER, price=50)
    with pytest.raises(refusal):
        deactivate(state, STRANGER)
    with pytest.raises(refusal):
        reactivate(state, STRANGER)


def test_a_style_begins_with_its_draft_and_stays_as_it_is_otherwise() -> None:
    other = AccountClosed(user_id=ARTIST, reason="owner")
    assert style.evolve(None, other, NOW) is None
    assert style.evolve(draft(), other, LATER) == draft()
