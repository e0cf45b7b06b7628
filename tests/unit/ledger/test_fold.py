"""The invariants of the book, each broken once: what the folds say, and where."""

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from ledger.codec import Recorded, decode_event
from ledger.domain.events import (
    GenerationCompleted,
    GenerationFailed,
    GenerationRefunded,
    GenerationRequested,
    HoldCaptured,
    HoldReleased,
    TokensHeld,
    TokensTransferred,
)
from ledger.domain.money import ISSUANCE, REVENUE, Entry, available, earned, held, pending
from ledger.fold import Violation, add_entries, balances_of, book_violations, shard_violations
from tests import books
from tests.books import ARTIST, Generation, person, values_of

USER, OTHER = person(1), person(2)
AT = datetime(2026, 11, 23, tzinfo=UTC)
TRANSFER = "transfer-018f0000-0000-7000-8000-000000000003"


def recorded(*streams: list[books.NewEvent]) -> list[Recorded]:
    """Return events as they would lie in shard 3, from position 1."""
    events = [event for stream in streams for event in stream]
    return [
        Recorded(
            shard=3,
            position=position,
            event_id=event.event_id,
            stream=event.stream,
            version=event.version,
            event=decode_event(event.type, event.schema_version, event.data),
            entries=tuple(Entry(*line) for line in books.lines_of(event)),
            metadata={},
            movement_key=event.movement_key,
            occurred_at=AT,
            recorded_at=AT,
        )
        for position, event in enumerate(events, start=1)
    ]


def found(*streams: list[books.NewEvent]) -> list[tuple[str, str]]:
    """Return (invariant, position) of every violation of one shard's events."""
    return [(one.invariant, one.position) for one in shard_violations(recorded(*streams))]


def told(tell: Callable[[Generation], None]) -> list[tuple[str, str]]:
    """Return what is wrong with a generation told by `tell`."""
    story = Generation(USER)
    tell(story)
    return found(story.events)


@pytest.mark.parametrize(
    "ends", ["completed", "refunded", "cleared", "failed", "expired", "canceled", "open"]
)
def test_a_job_by_the_rules_breaks_none(ends: str) -> None:
    assert found(books.grant(USER, 100), books.generation(USER, ends=ends)) == []


def test_a_movement_that_does_not_sum_to_zero_is_told() -> None:
    """I1."""
    story = Generation(USER)
    story.request()
    story.tell(HoldReleased, "release", *story.move(held(USER), available(USER)))
    story.events[-1] = story.events[-1]._replace(
        entries=story.events[-1].entries.replace('"paid",100', '"promo",100')  # type: ignore[union-attr]
    )

    assert found(story.events) == [("I1", "3-3"), ("I1", "3-3")]


def test_a_movement_and_its_key_go_together() -> None:
    """I11."""
    (event,) = books.grant(USER, 5)
    assert found([event._replace(movement_key=None)]) == [("I11", "3-1")]
    assert found([event._replace(entries=None)]) == [("I11", "3-1")]


def test_a_movement_key_is_of_its_stream_and_used_once() -> None:
    """I11."""
    what = TokensTransferred(user_id=USER, recipient_id=OTHER, amount=5, memo=None)
    entries = (Entry(available(USER), "paid", -5), Entry(available(OTHER), "paid", 5))
    once = books.event(TRANSFER, 1, what, verb="transfer", entries=entries)
    again = books.event(TRANSFER, 2, what, verb="transfer", entries=entries)

    assert found([once, again]) == [("I11", "3-2")]
    assert found([once._replace(movement_key=f"transfer-{uuid4()}:transfer")]) == [("I11", "3-1")]


@pytest.mark.parametrize("versions", [(2,), (1, 3), (1, 1), (2, 1)])
def test_a_stream_is_dense_and_in_order(versions: tuple[int, ...]) -> None:
    (event,) = books.draft(USER)

    assert ("version", f"3-{len(versions)}") in found(
        [event._replace(version=version) for version in versions]
    )


def test_captured_and_released_cannot_be_more_than_the_hold() -> None:
    """I3."""

    def tell(story: Generation) -> None:
        story.request()
        story.completed()
        story.release()

    assert told(tell) == [("I3", "3-6")]


def test_entries_hold_what_the_events_say() -> None:
    """I3: a hold of 100 that set aside 1 only, or on somebody else's account."""

    def short(story: Generation) -> None:
        story.tell(GenerationRequested)
        story.tell(TokensHeld, "hold", *story.move(available(USER), held(USER), 1))

    def elsewhere(story: Generation) -> None:
        story.tell(GenerationRequested)
        story.tell(TokensHeld, "hold", *story.move(available(USER), held(OTHER)))

    assert told(short) == told(elsewhere) == [("I3", "3-2")]


@pytest.mark.parametrize("second", ["completed", "failed"])
def test_a_job_ends_once(second: str) -> None:
    """I4, I12: the second end neither counts nor pays."""

    def tell(story: Generation) -> None:
        story.request()
        story.tell(GenerationFailed)
        getattr(story, second)()

    assert ("I4", "3-5" if second == "completed" else "3-4") in told(tell)
    assert (("I12", "3-6") in told(tell)) == (second == "completed")


def test_an_ended_job_holds_nothing() -> None:
    """I4."""

    def tell(story: Generation) -> None:
        story.request()
        story.tell(GenerationFailed)

    assert told(tell) == [("I4", "3-3")]


def test_a_job_begins_with_its_request_and_once() -> None:
    """I4."""

    def headless(story: Generation) -> None:
        story.tell(HoldReleased, "release", *story.move(held(USER), available(USER)))

    def twice(story: Generation) -> None:
        story.request()
        story.tell(GenerationRequested)

    assert told(headless) == [("I4", "3-1")]
    assert told(twice) == [("I4", "3-3")]


@pytest.mark.parametrize("amount", [99, 101])
def test_the_hold_is_the_quote(amount: int) -> None:
    """I5, G4."""

    def tell(story: Generation) -> None:
        story.tell(GenerationRequested)
        moved = story.move(available(USER), held(USER), amount)
        story.tell(TokensHeld, "hold", *moved, amount=amount)

    assert told(tell) == [("I5", "3-2")]


def test_no_more_is_captured_than_was_held() -> None:
    """I5."""

    def tell(story: Generation) -> None:
        story.request()
        story.price = 200
        story.known |= {"amount": 200, "split": (("paid", 190, 10),)}
        story.completed()

    assert told(tell) == [("I5", "3-5")]


@pytest.mark.parametrize("known", [{"sha256": "ab"}, {"sha256": "X" * 64}, {"key": ""}, None])
def test_a_capture_names_an_object_and_its_sha256(known: dict[str, str] | None) -> None:
    """I6, G6: None is a capture without a completion at all."""

    def tell(story: Generation) -> None:
        story.request()
        if known is not None:
            story.tell(GenerationCompleted, **known)
        capture(story)

    assert ("I6", "3-3" if known is None else "3-4") in told(tell)


def capture(story: Generation, artist: int = 90, platform: int = 10) -> None:
    """Tell a capture whose entries give these parts."""
    story.tell(
        HoldCaptured,
        "capture",
        Entry(held(USER), "paid", -artist - platform),
        Entry(pending(ARTIST), "paid", artist),
        Entry(REVENUE, "paid", platform),
    )


def test_artist_and_platform_get_what_was_captured() -> None:
    """I7: by the split of the event, and by the entries."""

    def wrong_split(story: Generation) -> None:
        story.request()
        story.known["split"] = (("paid", 91, 10),)
        story.completed()

    def wrong_entries(story: Generation) -> None:
        story.request()
        story.tell(GenerationCompleted)
        story.tell(
            HoldCaptured,
            "capture",
            Entry(held(USER), "paid", -100),
            Entry(pending(ARTIST), "paid", 90),
            Entry(available(OTHER), "paid", 10),
        )

    assert told(wrong_split) == [("I7", "3-5")]
    assert told(wrong_entries) == [("I7", "3-4")]


def test_no_more_is_refunded_than_was_captured() -> None:
    """I8."""

    def tell(story: Generation) -> None:
        story.request()
        story.refunded()
        story.tell(
            GenerationRefunded,
            "refund2",
            Entry(REVENUE, "paid", -100),
            Entry(available(USER), "paid", 100),
        )

    assert told(tell) == [("I8", "3-7")]


def test_a_refund_gives_the_payer_what_it_says() -> None:
    """I8."""

    def tell(story: Generation) -> None:
        story.request()
        story.completed()
        story.tell(GenerationRefunded, "refund", *story.move(REVENUE, available(USER), 10))

    assert told(tell) == [("I8", "3-6")]


def test_an_artist_gives_back_and_clears_no_more_than_the_capture_gave() -> None:
    """I8: cleared once, and refunded out of pending all the same."""

    def tell(story: Generation) -> None:
        story.request()
        story.cleared()
        story.tell(
            GenerationRefunded,
            "refund",
            Entry(pending(ARTIST), "paid", -90),
            Entry(REVENUE, "paid", -10),
            Entry(available(USER), "paid", 100),
        )

    assert told(tell) == [("I8", "3-7")]


@pytest.mark.parametrize("end", ["failed", "expired", "canceled"])
def test_no_artist_is_credited_for_a_job_that_did_not_complete(end: str) -> None:
    """I12."""

    def tell(story: Generation) -> None:
        story.request()
        getattr(story, end)()
        story.tell(
            GenerationRefunded,
            "bonus",
            Entry(ISSUANCE, "paid", -7),
            Entry(earned(ARTIST), "paid", 7),
        )

    assert ("I12", "3-5") in told(tell)


def test_streams_are_judged_apart() -> None:
    """Two jobs that take turns in the shard."""
    one, two = books.generation(USER), books.generation(USER, ends="failed")
    turns = [event for pair in zip(one, [*two, None], strict=True) for event in pair if event]

    assert found(turns) == []


def test_balances_are_the_sums_of_entries() -> None:
    balances = balances_of(recorded(books.grant(USER, 100), books.transfer(USER, OTHER, 30)))

    assert balances == {
        (ISSUANCE, "paid"): -100,
        (available(USER), "paid"): 70,
        (available(OTHER), "paid"): 30,
    }
    assert list(book_violations(balances, {k: v for k, v in balances.items() if v > 0})) == []


def test_served_balances_are_what_the_fold_gives() -> None:
    """I13: too much, missing, and one that no entry explains."""
    balances = balances_of(recorded(books.grant(USER, 100)))
    mine, other = (available(USER), "paid"), (available(OTHER), "paid")

    for served in ({mine: 101}, {}, {mine: 100, other: 1}, {mine: 100, ("x", "paid"): 0}):
        assert [one.invariant for one in book_violations(balances, served)] == ["I13"]
    assert list(book_violations(balances, {mine: 100, other: 0})) == []


def test_all_accounts_together_hold_nothing() -> None:
    """I2, G2."""
    balances = {(ISSUANCE, "paid"): -10, (REVENUE, "paid"): 9, (REVENUE, "promo"): 0}
    add_entries(balances, [(REVENUE, "promo", 2)])

    assert list(book_violations(balances, {})) == [
        Violation("I2", "", "all accounts together hold -1 paid"),
        Violation("I2", "", "all accounts together hold 2 promo"),
    ]


def test_an_event_has_a_value_for_each_of_its_fields() -> None:
    """The stories of the tests stay whole when an event gets another field."""
    assert GenerationRequested(**values_of(GenerationRequested)).price == 1
