"""Which events reach which method of a projector."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from ledger.book.rows import Row
from ledger.codec import Recorded, Undecodable
from ledger.domain.events import CancelRequested, TokensExpired
from projections.projector import Movement, Page, Projector, fold

USER = UUID(int=1)
NOW = datetime(2026, 11, 23, tzinfo=UTC)
CANCEL = f'{{"user_id":"{USER}","attempt":1,"task_id":"{USER}","reason":"owner"}}'
EXPIRY = f'{{"user_id":"{USER}","amount":5,"colour":"promo@2026-01-01"}}'


def row(position: int, stream: str, kind: str, data: str, entries: str | None = None) -> Row:
    return Row(
        1, position, USER, f"{stream}-{USER}", 1, kind, 1, data, entries, "{}", None, NOW, NOW, b""
    )


def told(projector: type[Projector], *rows: Row) -> list[Any]:
    """Fold a page and return what the projector heard, in order."""
    HEARD.clear()
    fold(projector, Page(1, rows), None)  # type: ignore[arg-type]  # these write nothing
    return list(HEARD)


HEARD: list[Any] = []


class CancelsProjector(Projector):
    name = "cancels"
    tables = ()
    streams = frozenset({"generation"})

    def begin(self, events: Any) -> None:
        HEARD.append([one.position for one in events])

    def on_cancel_requested(self, recorded: Recorded, event: CancelRequested) -> None:
        HEARD.append((recorded.position, event.reason))

    def finish(self) -> None:
        HEARD.append("stored")


class MovementsProjector(CancelsProjector):
    name = "movements"
    streams = frozenset()

    def on_movement(self, row: Row, entries: Movement) -> None:
        HEARD.append((row.position, entries))

    def on_tokens_expired(self, recorded: Recorded, event: TokensExpired) -> None:
        HEARD.append((recorded.position, event.amount))


def test_a_projector_hears_its_events_of_its_streams_in_order_between_load_and_store() -> None:
    rows = [
        row(1, "generation", "CancelRequested", CANCEL),
        row(2, "training", "CancelRequested", CANCEL),
        row(3, "generation", "AttemptQueued", "{}"),  # not read, so never decoded
        row(4, "generation", "CancelRequested", CANCEL),
    ]

    assert told(CancelsProjector, *rows) == [[1, 4], (1, "owner"), (4, "owner"), "stored"]


def test_movements_are_heard_whatever_moved_and_before_their_event() -> None:
    rows = [
        row(1, "expiry", "TokensExpired", EXPIRY, '[["a","promo",-5],["b","promo",5]]'),
        row(2, "grant", "TokensGranted", "{}", '[["c","paid",1],["d","paid",-1]]'),
        row(3, "training", "CancelRequested", CANCEL),
    ]

    assert told(MovementsProjector, *rows) == [
        [1, 3],
        (1, [("a", "promo", -5), ("b", "promo", 5)]),
        (1, 5),
        (2, [("c", "paid", 1), ("d", "paid", -1)]),
        (3, "owner"),
        "stored",
    ]


def test_a_method_for_no_event_of_the_book_is_refused() -> None:
    """A slip of the pen would otherwise leave events out, silently."""
    with pytest.raises(TypeError, match="on_token_held"):
        type("SlipProjector", (Projector,), {"on_token_held": lambda *_: None})


def test_a_type_that_nobody_knows_is_refused_whoever_reads() -> None:
    with pytest.raises(Undecodable, match="1-1"):
        Page(1, [row(1, "grant", "TokensConjured", "{}")])


def test_a_projector_without_a_store_is_refused() -> None:
    blank = type("BlankProjector", (Projector,), {})

    with pytest.raises(NotImplementedError):
        told(blank)
