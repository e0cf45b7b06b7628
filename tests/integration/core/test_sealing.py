"""Personal text is sealed under one key per person, and erasing the key erases the text (G14)."""

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from core import sealing
from core.models import PersonKey
from core.sealing import PersonErased, SealBroken, erase, open_many, open_text, seal

TEXT = "비 오는 날의 수채화 🌧️ at dawn"

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(autouse=True)
def empty_cache() -> Iterator[None]:
    sealing.forget_keys()
    yield
    sealing.forget_keys()


def test_what_was_sealed_opens_unchanged() -> None:
    sealed, key = seal(uuid4(), TEXT)

    assert open_text(sealed, key) == TEXT
    sealing.forget_keys()
    assert open_text(sealed, key) == TEXT


def test_the_sealed_text_and_the_stored_key_show_nothing() -> None:
    sealed, key = seal(uuid4(), TEXT)

    assert TEXT.encode() not in base64.b64decode(sealed)
    kept = sealing._cache.get(key)
    stored = PersonKey.objects.get(id=key).wrapped
    assert kept is not None
    assert stored is not None
    assert kept[1] not in bytes(stored)


def test_the_same_text_never_looks_the_same_twice() -> None:
    person = uuid4()

    assert seal(person, TEXT)[0] != seal(person, TEXT)[0]


def test_the_key_lies_in_its_persons_shard() -> None:
    person = uuid4()

    assert seal(person, TEXT)[1].bytes[15] == person.bytes[15]


def test_one_person_has_one_key_however_many_race_for_it() -> None:
    person = uuid4()

    def race(_: int) -> UUID:
        try:
            return seal(person, TEXT)[1]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(race, range(8)))

    assert keys == {PersonKey.objects.get().id}


def test_text_of_an_erased_person_opens_as_none_and_no_more_is_sealed() -> None:
    person, other = uuid4(), uuid4()
    sealed, key = seal(person, TEXT)
    others = seal(other, TEXT)

    erase(person)

    assert open_text(sealed, key) is None
    assert open_many([(sealed, key), others]) == [None, TEXT]
    with pytest.raises(PersonErased):
        seal(person, TEXT)
    assert PersonKey.objects.get(id=key).wrapped is None


def test_erasing_twice_keeps_the_first_time() -> None:
    person = uuid4()
    erase(person)
    first = PersonKey.objects.get().erased_at

    erase(person)

    assert first is not None
    assert PersonKey.objects.get().erased_at == first


@pytest.mark.parametrize("at", [0, 12, -1])
def test_altered_text_is_an_error_and_not_an_empty_answer(at: int) -> None:
    sealed, key = seal(uuid4(), TEXT)
    raw = bytearray(base64.b64decode(sealed))
    raw[at] ^= 1

    with pytest.raises(SealBroken):
        open_text(base64.b64encode(bytes(raw)).decode(), key)


@pytest.mark.parametrize("sealed", ["", "AAAA", "no base64!", "é", "A" * 40])
def test_what_was_never_sealed_is_an_error(sealed: str) -> None:
    _, key = seal(uuid4(), TEXT)

    with pytest.raises(SealBroken):
        open_text(sealed, key)


def test_text_moved_to_another_persons_key_is_an_error() -> None:
    sealed, _ = seal(uuid4(), TEXT)
    _, other = seal(uuid4(), TEXT)

    with pytest.raises(SealBroken):
        open_text(sealed, other)


def test_a_key_moved_to_another_person_is_an_error() -> None:
    _, mine = seal(uuid4(), TEXT)
    sealed, other = seal(uuid4(), TEXT)
    PersonKey.objects.filter(id=other).update(wrapped=PersonKey.objects.get(id=mine).wrapped)
    sealing.forget_keys()

    with pytest.raises(SealBroken):
        open_text(sealed, other)


def test_what_was_wrapped_for_one_name_unwraps_for_no_other() -> None:
    wrapped = sealing.wrap(b"secret", b"painter")

    assert sealing.unwrap(wrapped, b"painter") == b"secret"
    with pytest.raises(SealBroken):
        sealing.unwrap(wrapped, b"trainer")


def test_an_unknown_key_is_an_error() -> None:
    sealed, _ = seal(uuid4(), TEXT)

    with pytest.raises(SealBroken):
        open_text(sealed, uuid4())


def test_another_master_key_opens_nothing(settings: Settings) -> None:
    sealed, key = seal(uuid4(), TEXT)
    sealing.forget_keys()
    settings.MASTER_KEY = "00" * 32

    with pytest.raises(SealBroken):
        open_text(sealed, key)


@pytest.mark.parametrize("master", ["", "00", "zz" * 32, "00" * 33])
def test_a_master_key_of_another_form_is_refused(settings: Settings, master: str) -> None:
    settings.MASTER_KEY = master

    with pytest.raises(ImproperlyConfigured):
        seal(uuid4(), TEXT)


def test_a_list_is_opened_with_one_query_and_then_with_none() -> None:
    pairs = [seal(uuid4(), str(number)) for number in range(20)]
    sealing.forget_keys()

    with CaptureQueriesContext(connection) as first:
        assert open_many(pairs) == [str(number) for number in range(20)]
    with CaptureQueriesContext(connection) as second:
        open_many(pairs)
    assert (len(first), len(second)) == (1, 0)
    assert open_many([]) == []


def test_the_cache_is_bounded_and_drops_the_longest_unused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "CACHED_KEYS", 4)  # two people: a key is kept under two ids
    first, second, third = uuid4(), uuid4(), uuid4()
    for person in (first, second, first, third):
        seal(person, TEXT)

    assert [sealing._cache.get(one) is not None for one in (second, third)] == [False, True]


def test_a_cached_key_is_forgotten_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process that erased the person is obeyed within CACHED_SECONDS."""
    monkeypatch.setattr(sealing, "CACHED_SECONDS", -1)
    person = uuid4()
    sealed, key = seal(person, TEXT)
    PersonKey.objects.update(wrapped=None)

    assert open_text(sealed, key) is None


def test_a_key_that_was_rolled_back_is_not_used_again() -> None:
    person = uuid4()
    with transaction.atomic():
        seal(person, "gone")
        transaction.set_rollback(True)

    sealed, key = seal(person, TEXT)
    sealing.forget_keys()
    assert open_text(sealed, key) == TEXT
