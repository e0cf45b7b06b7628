"""Writes real events into the book of a test, as the handlers would."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from core.ids import new_id
from ledger.book.append import append
from ledger.book.read import stream_shard
from ledger.book.rows import NewEvent
from ledger.codec import encode, encode_entries
from ledger.domain.events import Event, Sealed, TokensGranted, TokensTransferred
from ledger.domain.money import ISSUANCE, PAID, PROMO, Entry, available

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class Fact(NamedTuple):
    """One event to write; its verb is given where it moves tokens."""

    stream: str
    event: Event
    verb: str | None = None
    entries: tuple[Entry, ...] = ()


def person(last_byte: int, number: int = 0) -> UUID:
    """Return a user's id; `last_byte` places them in a shard."""
    return UUID(int=(0x018F << 112) | (7 << 76) | (2 << 62) | (number << 8) | last_byte)


class Pen:
    """Appends facts and remembers how far each stream has come."""

    def __init__(self) -> None:
        self.versions: defaultdict[str, int] = defaultdict(int)

    def write(self, *facts: Fact) -> tuple[int, int]:
        """Append `facts`, all of one shard, in one transaction; return where they end."""
        shard = stream_shard(facts[0].stream)
        appended = append(shard=shard, outcomes=[], events=[self._new(fact) for fact in facts])
        assert appended is not None
        return shard, appended.position

    def write_raw(self, stream: str, type_name: str, data: str = "{}") -> tuple[int, int]:
        """Append an event that nobody of ours would write."""
        self.versions[stream] += 1
        event = NewEvent(
            new_id(), stream, self.versions[stream], type_name, 1, data, None, "{}", None, NOW
        )
        shard = stream_shard(stream)
        appended = append(shard=shard, outcomes=[], events=[event])
        assert appended is not None
        return shard, appended.position

    def _new(self, fact: Fact) -> NewEvent:
        self.versions[fact.stream] += 1
        type_name, schema_version, data = encode(fact.event)
        return NewEvent(
            event_id=new_id(),
            stream=fact.stream,
            version=self.versions[fact.stream],
            type=type_name,
            schema_version=schema_version,
            data=data,
            entries=encode_entries(fact.entries),
            metadata="{}",
            movement_key=f"{fact.stream}:{fact.verb}" if fact.verb else None,
            occurred_at=NOW,
        )


def granted(user: UUID, amount: int, colour: str = PROMO, memo: Sealed | None = None) -> Fact:
    """Return a grant of `amount` tokens to `user`."""
    return Fact(
        f"grant-{new_id(user)}",
        TokensGranted(user_id=user, amount=amount, colour=colour, reason="test", memo=memo),
        "grant",
        (Entry(ISSUANCE, colour, -amount), Entry(available(user), colour, amount)),
    )


def transferred(sender: UUID, recipient: UUID, amount: int, memo: Sealed | None = None) -> Fact:
    """Return a transfer of paid tokens."""
    return Fact(
        f"transfer-{new_id(sender)}",
        TokensTransferred(user_id=sender, recipient_id=recipient, amount=amount, memo=memo),
        "transfer",
        (Entry(available(sender), PAID, -amount), Entry(available(recipient), PAID, amount)),
    )


def contents(tables: Sequence[str]) -> dict[str, list[str]]:
    """Return every row of `tables` as text, sorted."""
    from django.db import connection

    found = {}
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"select t::text from {table} as t order by 1")
            found[table] = [text for (text,) in cursor.fetchall()]
    return found
