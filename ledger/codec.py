"""Stored event <-> dataclass: the only place that knows how an event lies in the book.

A shape that was in a tagged release is never edited: a new one gets the next schema version, and
UPCASTS lifts the old one.
"""

from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from datetime import UTC, datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import orjson

from ledger.book.canonical import NotCanonical, written
from ledger.book.rows import Row
from ledger.domain.events import EVENT_TYPES, Event
from ledger.domain.money import Entry

# The schema version that is written, where it is not 1.
SCHEMA_VERSIONS: dict[str, int] = {}

# (type, schema version) -> lifts that version's data to the next one.
UPCASTS: dict[tuple[str, int], Callable[[dict[str, Any]], dict[str, Any]]] = {}

_TYPE_NAMES = {cls: name for name, cls in EVENT_TYPES.items()}


class Undecodable(Exception):
    """A stored event that no shape of ours fits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One event as it stands in the book, decoded."""

    shard: int
    position: int
    event_id: UUID
    stream: str
    version: int
    event: Event
    entries: tuple[Entry, ...]
    metadata: dict[str, Any]
    movement_key: str | None
    occurred_at: datetime
    recorded_at: datetime


def encode(event: Event) -> tuple[str, int, str]:
    """Return stored type, schema version and canonical data; fields of None are left out.

    Raises NotCanonical for a field that is not of its type, or that the book cannot hold.
    """
    name = _TYPE_NAMES[type(event)]
    return name, SCHEMA_VERSIONS.get(name, 1), written(_plain(event))


def encode_entries(entries: tuple[Entry, ...]) -> str | None:
    """Return a movement as canonical JSON [[account, colour, amount], ...]; None when empty."""
    if not entries:
        return None
    return written([[entry.account, entry.colour, entry.amount] for entry in entries])


def decode_event(type_name: str, schema_version: int, data: str) -> Event:
    """Return the event stored as `data`, upcast to its newest shape; raises Undecodable."""
    cls = EVENT_TYPES.get(type_name)
    if cls is None:
        raise Undecodable(f"No event type {type_name!r}.")
    try:
        values = orjson.loads(data)
        newest = SCHEMA_VERSIONS.get(type_name, 1)
        if not 1 <= schema_version <= newest:
            raise ValueError(f"the newest version known here is {newest}")
        for version in range(schema_version, newest):
            values = UPCASTS[type_name, version](values)
        event: Event = _build(cls, values)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Undecodable(f"{type_name} v{schema_version}: {error!r}") from error
    return event


def decode(row: Row) -> Recorded:
    """Return the row decoded; raises Undecodable."""
    entries = orjson.loads(row.entries) if row.entries else []
    return Recorded(
        shard=row.shard,
        position=row.position,
        event_id=row.event_id,
        stream=row.stream,
        version=row.version,
        event=decode_event(row.type, row.schema_version, row.data),
        entries=tuple(Entry(account, colour, amount) for account, colour, amount in entries),
        metadata=orjson.loads(row.metadata),
        movement_key=row.movement_key,
        occurred_at=row.occurred_at,
        recorded_at=row.recorded_at,
    )


def _plain(value: Any) -> dict[str, Any]:
    return {
        name: write(item)
        for name, write in _writers(value.__class__)
        if (item := getattr(value, name)) is not None
    }


@cache
def _writers(cls: Any) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    """Return each field's name and how its value is written, in the order of the JSON."""
    hints = get_type_hints(cls)
    return tuple(sorted((field.name, _writer(hints[field.name])) for field in fields(cls)))


def _writer(hint: Any) -> Callable[[Any], Any]:
    """Return the function that writes a value of type `hint`; strict, as the reader is."""
    if get_origin(hint) in (Union, UnionType):
        (inner,) = (arg for arg in get_args(hint) if arg is not NoneType)
        return _writer(inner)
    if get_origin(hint) is tuple:
        return _tuple_writer(get_args(hint))
    if hint is datetime:
        return _time_text
    if hint is int:
        return _integer
    if hint in (str, bool, UUID):
        return lambda value: _of(hint, value)
    return lambda value: _plain(_of(hint, value))


def _tuple_writer(arguments: tuple[Any, ...]) -> Callable[[Any], list[Any]]:
    if arguments[-1] is Ellipsis:
        item = _writer(arguments[0])
        return lambda values: [item(value) for value in values]
    items = [_writer(argument) for argument in arguments]
    return lambda values: [write(value) for write, value in zip(items, values, strict=True)]


def _integer(value: Any) -> int:
    if type(value) is not int:  # True is one for isinstance
        raise NotCanonical(f"{value!r} is no int")
    return value


def _of(kind: type, value: Any) -> Any:
    if not isinstance(value, kind):
        raise NotCanonical(f"{value!r} is no {kind.__name__}")
    return value


def _build(cls: Any, values: dict[str, Any]) -> Any:
    readers, optional = _readers(cls)
    if unknown := values.keys() - readers.keys():
        raise ValueError(f"unknown fields {sorted(unknown)}")
    arguments = dict.fromkeys(optional) | {
        name: readers[name](value) for name, value in values.items()
    }
    return cls(**arguments)


@cache
def _readers(cls: Any) -> tuple[dict[str, Callable[[Any], Any]], tuple[str, ...]]:
    """Return per field how its stored value is read, and the fields that may be None."""
    hints = get_type_hints(cls)
    readers = {field.name: _reader(hints[field.name]) for field in fields(cls)}
    optional = tuple(
        field.name
        for field in fields(cls)
        if NoneType in get_args(hints[field.name]) and field.default is MISSING
    )
    return readers, optional


def _reader(hint: Any) -> Callable[[Any], Any]:
    """Return the function that reads a stored value of type `hint`; strict about its JSON type."""
    if get_origin(hint) in (Union, UnionType):
        (inner,) = (arg for arg in get_args(hint) if arg is not NoneType)
        return _reader(inner)
    if get_origin(hint) is tuple:
        return _tuple_reader(get_args(hint))
    if hint is UUID:
        return UUID
    if hint is datetime:
        return _time
    if hint in (str, int, bool):
        return lambda value: _exactly(hint, value)
    return lambda values: _build(hint, values)


def _time(text: str) -> datetime:
    """Return a stored time; fromisoformat takes a tenth of what strptime takes, and any form."""
    at = datetime.fromisoformat(text)
    if text != _time_text(at):
        raise ValueError(f"{text!r} is no time of ours")
    return at


def _time_text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")[:26] + "Z"


def _tuple_reader(arguments: tuple[Any, ...]) -> Callable[[Any], Any]:
    if arguments[-1] is Ellipsis:
        item = _reader(arguments[0])
        return lambda values: tuple(item(value) for value in values)
    items = [_reader(argument) for argument in arguments]
    return lambda values: tuple(read(value) for read, value in zip(items, values, strict=True))


def _exactly(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value
