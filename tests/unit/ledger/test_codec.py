"""The codec: every event comes back, old shapes are lifted, garbage is refused."""

import json
from dataclasses import fields
from datetime import UTC, datetime
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints
from uuid import UUID

import pytest

from ledger import codec
from ledger.book.canonical import NotCanonical, canonical
from ledger.domain.events import EVENT_TYPES, Event, Sealed, TokensGranted

ID = UUID("018f0000-0000-7000-8000-00000000a001")


def sample(hint: Any) -> Any:
    """Return a value of type `hint`."""
    if NoneType in get_args(hint):
        return sample(get_args(hint)[0])
    if get_origin(hint) is tuple:
        arguments = get_args(hint)
        if arguments[-1] is Ellipsis:
            return (sample(arguments[0]), sample(arguments[0]))
        return tuple(sample(argument) for argument in arguments)
    samples: dict[Any, Any] = {
        str: 'naïve 텍스트 🎨 \\ "',
        int: 42,
        bool: True,
        UUID: ID,
        datetime: datetime(2026, 11, 23, 12, 0, 0, 7, tzinfo=UTC),
        Sealed: Sealed("c2VhbGVk", ID),
    }
    return samples[hint]


def full(cls: type[Event]) -> Event:
    hints = get_type_hints(cls)
    return cls(**{field.name: sample(hints[field.name]) for field in fields(cls)})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_every_event_comes_back_as_it_was_written(name: str) -> None:
    event = full(EVENT_TYPES[name])

    stored, version, data = codec.encode(event)

    assert (stored, version) == (name, codec.SCHEMA_VERSIONS.get(name, 1))
    assert codec.decode_event(stored, version, data) == event
    assert canonical(json.loads(data)) == data


def test_a_field_of_none_is_left_out_and_comes_back() -> None:
    event = TokensGranted(user_id=ID, amount=1, colour="promo", reason="welcome", memo=None)
    stored, version, data = codec.encode(event)
    assert "memo" not in data
    assert codec.decode_event(stored, version, data) == event


def test_an_old_shape_is_lifted_to_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(codec.SCHEMA_VERSIONS, "TokensGranted", 2)
    monkeypatch.setitem(
        codec.UPCASTS, ("TokensGranted", 1), lambda data: data | {"reason": "welcome"}
    )
    old = canonical({"user_id": str(ID), "amount": 1, "colour": "promo"})

    event = codec.decode_event("TokensGranted", 1, old)

    assert event == TokensGranted(user_id=ID, amount=1, colour="promo", reason="welcome", memo=None)


@pytest.mark.parametrize(
    ("type_name", "data"),
    [
        ("NoSuchEvent", "{}"),
        ("TokensGranted", "not json"),
        ("TokensGranted", "{}"),
        ("TokensGranted", '{"user_id":7}'),
        ("TokensGranted", '{"amount":"1"}'),
        ("TokensGranted", '{"amount":true}'),
        ("TokensGranted", '{"extra":1}'),
        ("TokensTransferred", '{"memo":{"sealed":"x"}}'),
    ],
)
def test_what_fits_no_shape_is_refused(type_name: str, data: str) -> None:
    with pytest.raises(codec.Undecodable):
        codec.decode_event(type_name, 1, data)


@pytest.mark.parametrize(
    "value", [1.0, None, 2**53, -(2**53), "a\0b", "\ud800", {"ключ": 1}, {1: 1}, [{"a": b""}]]
)
def test_what_is_not_canonical_is_refused(value: Any) -> None:
    with pytest.raises(NotCanonical):
        canonical(value)


@pytest.mark.parametrize("version", [-1, 0, 2])
def test_a_version_that_is_not_known_here_is_refused(version: int) -> None:
    """What a newer release wrote is not guessed at by an older one."""
    data = canonical({"user_id": str(ID), "amount": 1, "colour": "promo", "reason": "welcome"})
    with pytest.raises(codec.Undecodable):
        codec.decode_event("TokensGranted", version, data)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23T12:00:00Z",
        "2026-11-23T12:00:00.000000",
        "2026-11-23T21:00:00.000000+09:00",
        "2026-11-23 12:00:00.000000Z",
        "20261123T120000.000000Z",
        "2026-W48-1T12:00:00.000000Z",
        "2026-13-23T12:00:00.000000Z",
        "",
    ],
)
def test_a_stored_time_has_one_form(text: str) -> None:
    data = canonical(
        {"user_id": str(ID), "package": "p", "tokens": 1, "price_cents": 1, "currency": "USD",
         "provider": "sandbox", "expires_at": text}
    )  # fmt: skip
    with pytest.raises(codec.Undecodable):
        codec.decode_event("PurchaseStarted", 1, data)


def test_canonical_json_sorts_members_and_keeps_any_script() -> None:
    assert (
        canonical({"b": [1, True, "\t\x1f"], "a": "é🎨"}) == '{"a":"é🎨","b":[1,true,"\\t\\u001f"]}'
    )


def test_canonical_json_escapes_as_few_characters_as_it_may() -> None:
    """RFC 8785, section 3.2.2.2: what Python's own writer does, for every character there is."""
    every = "".join(map(chr, [*range(1, 0xD800), *range(0xE000, 0x110000)]))
    assert canonical(every) == json.dumps(every, ensure_ascii=False)


def test_a_backslash_before_u0000_is_no_nul() -> None:
    for text in ("\\u0000", "\\\\u0000", "a\\u0000b"):
        assert json.loads(canonical(text)) == text
    for text in ("\0", "\\\0", "\\\\\0", "\\u0000\0"):
        with pytest.raises(NotCanonical):
            canonical(text)


@pytest.mark.parametrize(
    "wrong", [{"amount": True}, {"amount": 1.0}, {"amount": "1"}, {"user_id": str(ID)}, {"memo": 7}]
)
def test_a_field_that_is_not_of_its_type_is_not_written(wrong: dict[str, Any]) -> None:
    fields_of = {"user_id": ID, "amount": 1, "colour": "promo", "reason": "r", "memo": None} | wrong
    with pytest.raises(NotCanonical):
        codec.encode(TokensGranted(**fields_of))
