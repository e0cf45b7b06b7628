"""A change is an event with its movement."""

from uuid import UUID

import pytest

from ledger.domain.change import Change, Decision, Disposition, applied, unchanged
from ledger.domain.errors import InvariantBroken
from ledger.domain.events import StyleReactivated
from ledger.domain.money import PAID, Entry

EVENT = StyleReactivated(artist_id=UUID(int=1))
ENTRIES = (Entry("a", PAID, -5), Entry("b", PAID, 5))


def test_a_movement_is_keyed_by_its_stream_and_verb() -> None:
    """I11."""
    assert Change("grant-1", EVENT, "grant", ENTRIES).movement_key == "grant-1:grant"
    assert Change("style-1", EVENT).movement_key is None


def test_a_movement_without_a_verb_or_a_verb_without_one_cannot_be_made() -> None:
    with pytest.raises(InvariantBroken):
        Change("grant-1", EVENT, None, ENTRIES)
    with pytest.raises(InvariantBroken):
        Change("grant-1", EVENT, "grant")


def test_a_movement_that_does_not_balance_cannot_be_made() -> None:
    """G2."""
    with pytest.raises(InvariantBroken):
        Change("grant-1", EVENT, "grant", ENTRIES[:1])


def test_a_plain_command_changes_things_without_a_disposition() -> None:
    change = Change("style-1", EVENT)
    assert Decision.of([change]) == Decision(changes=(change,))


def test_a_report_has_a_disposition_beside_its_changes() -> None:
    change = Change("style-1", EVENT)
    assert Decision.of(applied(change)) == Decision(
        changes=(change,), disposition=Disposition.APPLIED
    )
    assert unchanged(Disposition.STALE) == Decision(disposition=Disposition.STALE)
