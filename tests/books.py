"""Stories for a test's book, written without the domain's decisions: events as they must lie there.

Each function returns the events of one stream, ready to append; `write` appends them.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, get_origin
from uuid import UUID

from core.ids import new_id
from ledger.book.append import append
from ledger.book.read import stream_shard
from ledger.book.rows import NewEvent
from ledger.codec import encode, encode_entries
from ledger.domain.events import (
    EarningsCleared,
    Event,
    GenerationCanceled,
    GenerationCompleted,
    GenerationExpired,
    GenerationFailed,
    GenerationRefunded,
    GenerationRequested,
    GenerationStarted,
    HoldCaptured,
    HoldReleased,
    Sealed,
    StyleDrafted,
    TokensGranted,
    TokensHeld,
    TokensTransferred,
)
from ledger.domain.money import (
    ISSUANCE,
    REVENUE,
    Entry,
    available,
    earned,
    held,
    pending,
)

NOW = datetime(2026, 11, 23, 12, 0, 0, 250_000, tzinfo=UTC)
SHA256 = "ab" * 32
ARTIST = UUID("018f0000-0000-7000-8000-0000000000a5")  # shard 5 of 16


def person(number: int, *, shard: int = 3) -> UUID:
    """Return the id of a person whose own events lie in `shard`."""
    return UUID(f"018f0000-0000-7000-8000-{number:010x}{shard:02x}")


def event(
    stream: str,
    version: int,
    what: Event,
    *,
    verb: str | None = None,
    entries: tuple[Entry, ...] = (),
) -> NewEvent:
    """Return `what` as it goes to the append."""
    name, schema_version, data = encode(what)
    return NewEvent(
        event_id=new_id(UUID(stream[-36:])),
        stream=stream,
        version=version,
        type=name,
        schema_version=schema_version,
        data=data,
        entries=encode_entries(entries),
        metadata='{"actor":"test"}',
        movement_key=verb and f"{stream}:{verb}",
        occurred_at=NOW,
    )


def lines_of(written: NewEvent) -> list[tuple[str, str, int]]:
    """Return the movement of an event as (account, colour, amount)."""
    lines = json.loads(written.entries or "[]")
    return [(account, colour, amount) for account, colour, amount in lines]


def grant(user: UUID, amount: int, colour: str = "paid") -> list[NewEvent]:
    """Tokens out of issuance for `user`."""
    stream = f"grant-{new_id(user)}"
    what = TokensGranted(user_id=user, amount=amount, colour=colour, reason="welcome", memo=None)
    entries = (Entry(ISSUANCE, colour, -amount), Entry(available(user), colour, amount))
    return [event(stream, 1, what, verb="grant", entries=entries)]


def transfer(payer: UUID, payee: UUID, amount: int) -> list[NewEvent]:
    """Paid tokens from one user to another."""
    stream = f"transfer-{new_id(payer)}"
    what = TokensTransferred(user_id=payer, recipient_id=payee, amount=amount, memo=None)
    entries = (
        Entry(available(payer), "paid", -amount),
        Entry(available(payee), "paid", amount),
    )
    return [event(stream, 1, what, verb="transfer", entries=entries)]


def draft(artist: UUID) -> list[NewEvent]:
    """A style begun: an event that moves nothing."""
    what = StyleDrafted(**values_of(StyleDrafted, artist_id=artist, style_id=new_id(artist)))
    return [event(f"style-{new_id(artist)}", 1, what)]


def generation(
    user: UUID, *, price: int = 100, ends: str = "completed", artist: UUID = ARTIST
) -> list[NewEvent]:
    """A whole generation paid in `paid`: `ends` completed, refunded, cleared, failed, expired,
    canceled, or open while its tokens are held.
    """
    story = Generation(user, price, artist)
    story.request()
    if ends != "open":
        getattr(story, ends)()
    return story.events


class Generation:
    """The stream of one generation, told step by step."""

    def __init__(self, user: UUID, price: int = 100, artist: UUID = ARTIST) -> None:
        self.user, self.price, self.artist = user, price, artist
        self.fee = price // 10
        self.stream = f"generation-{new_id(user)}"
        self.events: list[NewEvent] = []
        self.known = {
            "user_id": user,
            "artist_id": artist,
            "style_id": new_id(artist),
            "task_id": new_id(user),
            "price": price,
            "amount": price,
            "sha256": SHA256,
            "colours": (("paid", price),),
            "split": (("paid", price - self.fee, self.fee),),
        }

    def tell(self, kind: type[Any], verb: str | None = None, *entries: Entry, **known: Any) -> None:
        """Add the next event; fields nobody cares for are filled."""
        what = kind(**values_of(kind, **(self.known | known)))
        self.events.append(
            event(self.stream, len(self.events) + 1, what, verb=verb, entries=entries)
        )

    def request(self) -> None:
        self.tell(GenerationRequested)
        self.tell(TokensHeld, "hold", *self.move(available(self.user), held(self.user)))

    def completed(self) -> None:
        self.tell(GenerationStarted)
        self.tell(GenerationCompleted)
        self.tell(
            HoldCaptured,
            "capture",
            Entry(held(self.user), "paid", -self.price),
            Entry(pending(self.artist), "paid", self.price - self.fee),
            Entry(REVENUE, "paid", self.fee),
        )

    def refunded(self) -> None:
        self.completed()
        self.tell(
            GenerationRefunded,
            "refund",
            Entry(pending(self.artist), "paid", self.fee - self.price),
            Entry(REVENUE, "paid", -self.fee),
            Entry(available(self.user), "paid", self.price),
        )

    def cleared(self) -> None:
        self.completed()
        amount = self.price - self.fee
        self.tell(
            EarningsCleared,
            "clear",
            *self.move(pending(self.artist), earned(self.artist), amount),
            amount=amount,
            colours=(("paid", amount),),
        )

    def failed(self) -> None:
        self.tell(GenerationFailed)
        self.release()

    def expired(self) -> None:
        self.tell(GenerationExpired)
        self.release()

    def canceled(self) -> None:
        self.tell(GenerationCanceled)
        self.release()

    def release(self) -> None:
        self.tell(HoldReleased, "release", *self.move(held(self.user), available(self.user)))

    def move(self, source: str, target: str, amount: int | None = None) -> tuple[Entry, Entry]:
        """Return the entries that move the price, or `amount`."""
        amount = amount or self.price
        return Entry(source, "paid", -amount), Entry(target, "paid", amount)


def values_of(kind: type[Any], **known: Any) -> dict[str, Any]:
    """Return a value for every field of the event `kind`: a known one, or any of its type."""
    samples: dict[Any, Any] = {
        str: "x",
        int: 1,
        bool: True,
        UUID: ARTIST,
        datetime: NOW + timedelta(minutes=10),
        Sealed: Sealed("c2VhbGVk", ARTIST),
    }
    return {
        name: known[name]
        if name in known
        else ()
        if get_origin(hint) is tuple
        else samples.get(hint)
        for name, hint in kind.__annotations__.items()
    }


def write(*streams: Iterable[NewEvent]) -> None:
    """Append each stream's events, one append for each."""
    for events in streams:
        listed = list(events)
        append(shard=stream_shard(listed[0].stream), outcomes=[], events=listed)
