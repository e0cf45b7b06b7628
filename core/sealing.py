"""Sealing of personal text: AES-256-GCM under one key per person, wrapped by MASTER_KEY (G14).

Erasing a person destroys the wrapped key; what was sealed with it then opens as None for ever.
"""

import base64
import binascii
import os
import time
from collections import OrderedDict
from collections.abc import Iterable
from threading import Lock
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.utils import timezone

from core.ids import new_id
from core.models import PersonKey

CACHED_KEYS = 4096
CACHED_SECONDS = 60  # how long another process may still open text after an erasure
_NONCE_BYTES = 12
_KEY_BYTES = 32


class SealBroken(Exception):
    """The sealed text, or the key that sealed it, was altered or belongs elsewhere."""


class PersonErased(Exception):
    """The person's key was destroyed, so nothing more can be sealed for them."""


class _Cache:
    """Unwrapped keys of the last used people, by key id and by user id; bounded, short-lived."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._held: OrderedDict[UUID, tuple[float, UUID, bytes]] = OrderedDict()

    def get(self, name: UUID) -> tuple[UUID, bytes] | None:
        """Return (key id, key) kept under a key's or a user's id."""
        with self._lock:
            kept = self._held.get(name)
            if kept is None or kept[0] < time.monotonic():
                return None
            self._held.move_to_end(name)
            return kept[1], kept[2]

    def put(self, user_id: UUID, key_id: UUID, key: bytes) -> None:
        """Keep a committed key under both ids, pushing out the longest unused."""
        kept = (time.monotonic() + CACHED_SECONDS, key_id, key)
        with self._lock:
            for name in (user_id, key_id):
                self._held[name] = kept
                self._held.move_to_end(name)
            while len(self._held) > CACHED_KEYS:
                self._held.popitem(last=False)

    def clear(self) -> None:
        """Forget every key."""
        with self._lock:
            self._held.clear()


_cache = _Cache()


def seal(user_id: UUID, text: str) -> tuple[str, UUID]:
    """Return `text` sealed for its person as base64, and the id of the key that opens it.

    Raises PersonErased when the person's key was destroyed.
    """
    key_id, key = _cache.get(user_id) or _key_of(user_id)
    sealed = _encrypt(key, text.encode(), key_id.bytes)
    return base64.b64encode(sealed).decode(), key_id


def open_text(sealed: str, key: UUID) -> str | None:
    """Return the text sealed under `key`; None once its person was erased.

    Raises SealBroken when the text was altered or the key was never ours.
    """
    return open_many([(sealed, key)])[0]


def open_many(pairs: Iterable[tuple[str, UUID]]) -> list[str | None]:
    """Return the texts of (sealed, key id) pairs in order, with at most one query for them all."""
    wanted = list(pairs)
    keys = _keys({key_id for _, key_id in wanted})
    return [_opened(sealed, key_id, keys[key_id]) for sealed, key_id in wanted]


def ensure_key(user_id: UUID) -> None:
    """Make the person's key if there is none yet; twins that race end up with one key."""
    key_id = new_id(user_id)
    wrapped = wrap(os.urandom(_KEY_BYTES), key_id.bytes)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO person_key (id, user_id, wrapped, created_at) VALUES (%s, %s, %s, now())"
            " ON CONFLICT (user_id) DO NOTHING",
            [key_id, user_id, wrapped],
        )


def erase(user_id: UUID) -> None:
    """Destroy the person's key. Other processes forget it within CACHED_SECONDS."""
    ensure_key(user_id)  # also one who never wrote anything stays erased
    PersonKey.objects.filter(user_id=user_id, erased_at=None).update(
        wrapped=None, erased_at=timezone.now()
    )
    forget_keys()


def forget_keys() -> None:
    """Empty this process's cache of unwrapped keys."""
    _cache.clear()


def wrap(secret: bytes, name: bytes) -> bytes:
    """Return `secret` encrypted under MASTER_KEY, bound to `name`."""
    return _encrypt(_master_key(), secret, name)


def unwrap(wrapped: bytes, name: bytes) -> bytes:
    """Return what `wrap` was given; raises SealBroken for another name or another MASTER_KEY."""
    return _decrypt(_master_key(), wrapped, name)


def _key_of(user_id: UUID) -> tuple[UUID, bytes]:
    row = _stored_key(user_id)
    if row is None:
        ensure_key(user_id)
        row = _stored_key(user_id)
    assert row is not None, "the key was inserted just now"  # noqa: S101 -- an invariant
    if row.wrapped is None:
        raise PersonErased
    key = unwrap(bytes(row.wrapped), row.id.bytes)
    _keep(row, key)
    return row.id, key


def _stored_key(user_id: UUID) -> PersonKey | None:
    return PersonKey.objects.filter(user_id=user_id).first()


def _keep(row: PersonKey, key: bytes) -> None:
    """Cache a key, unless this transaction could still take its row back."""
    if not connection.in_atomic_block:
        _cache.put(row.user_id, row.id, key)


def _keys(ids: set[UUID]) -> dict[UUID, bytes | None]:
    found: dict[UUID, bytes | None] = {}
    for key_id in ids:
        if kept := _cache.get(key_id):
            found[key_id] = kept[1]
    missing = ids - found.keys()
    for row in PersonKey.objects.filter(id__in=missing) if missing else ():
        found[row.id] = None if row.wrapped is None else unwrap(bytes(row.wrapped), row.id.bytes)
        if (key := found[row.id]) is not None:
            _keep(row, key)
    if found.keys() != ids:
        raise SealBroken("There is no such key.")
    return found


def _opened(sealed: str, key_id: UUID, key: bytes | None) -> str | None:
    if key is None:
        return None
    try:
        raw = base64.b64decode(sealed, validate=True)
    except (binascii.Error, ValueError):
        raise SealBroken("The sealed text is not base64.") from None
    return _decrypt(key, raw, key_id.bytes).decode()


def _encrypt(key: bytes, plain: bytes, name: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, name)


def _decrypt(key: bytes, sealed: bytes, name: bytes) -> bytes:
    nonce, body = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    try:
        return AESGCM(key).decrypt(nonce, body, name)
    except (InvalidTag, ValueError):
        raise SealBroken("The seal does not fit: altered, or sealed under another key.") from None


def _master_key() -> bytes:
    try:
        key = bytes.fromhex(settings.MASTER_KEY)
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise ImproperlyConfigured("MASTER_KEY must be 32 bytes as 64 hex digits.")
    return key
