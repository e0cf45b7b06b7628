"""API keys of people and secrets of workers: drawn, stored and checked here only.

A key is shown once; the table keeps its SHA-256, which is enough for 256 random bits.
"""

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection

from core.models import ApiKey, User

PREFIX = "tl_"
SCOPES = frozenset({"read", "write"})  # an empty list means all of them
_FORM = re.compile(r"tl_[A-Za-z0-9_-]{43}", re.ASCII)
_FIELDS = User._meta.concrete_fields  # noqa: SLF001 -- Django documents it as public
_COLUMNS = ", ".join(f'u."{field.column}"' for field in _FIELDS)
_FIND = f"""
    SELECT k.digest, k.id, k.scopes, k.expires_at,
           k.last_used_at IS NULL OR k.last_used_at < now() - interval '1 minute',
           {_COLUMNS}
    FROM core_apikey k JOIN core_user u ON u.id = k.user_id
    WHERE k.digest = ANY(%s) AND k.revoked_at IS NULL AND u.is_active
      AND (k.expires_at IS NULL OR k.expires_at > now())
"""  # noqa: S608 -- the columns are those of our own model
_TOUCH = """
    UPDATE core_apikey SET last_used_at = now() WHERE id IN (
        SELECT id FROM core_apikey WHERE id = ANY(%s) FOR UPDATE SKIP LOCKED)
"""


@dataclass(frozen=True, slots=True)
class Credential:
    """An API key that was accepted: which one, and what it may do."""

    key_id: UUID
    scopes: frozenset[str]
    expires_at: datetime | None


def digest(key: str) -> str:
    """Return the form in which a key is stored: the SHA-256 as hex."""
    return hashlib.sha256(key.encode()).hexdigest()


def issue(
    user: User, *, name: str = "", scopes: Iterable[str] = (), expires_at: datetime | None = None
) -> tuple[ApiKey, str]:
    """Store a new API key of `user`; return its row and the key, which is never shown again."""
    key = PREFIX + secrets.token_urlsafe(32)
    row = ApiKey.objects.create(
        user=user, name=name, digest=digest(key), scopes=sorted(scopes), expires_at=expires_at
    )
    return row, key


def authenticate(key: str) -> tuple[User, Credential] | None:
    """Return whose `key` is and what it may do; None if unknown, revoked, expired or inactive.

    Costs one query; `last_used_at` is renewed at most once a minute, never waiting for a lock.
    """
    return authenticate_many([key]).get(key)


def authenticate_many(keys: Iterable[str]) -> dict[str, tuple[User, Credential]]:
    """Return whose each good key is and what it may do; costs one query for all of them."""
    by_digest = {digest(key): key for key in keys if _FORM.fullmatch(key)}
    found: dict[str, tuple[User, Credential]] = {}
    stale: list[UUID] = []
    for stored, key_id, scopes, expires_at, is_stale, *values in _find(list(by_digest)):
        user = User.from_db(connection.alias, [field.attname for field in _FIELDS], values)
        credential = Credential(key_id, frozenset(scopes) or SCOPES, expires_at)
        found[by_digest[stored]] = user, credential
        if is_stale:
            stale.append(key_id)
    if stale:
        with connection.cursor() as cursor:
            cursor.execute(_TOUCH, [stale])
    return found


def _find(stored: list[str]) -> list[tuple[Any, ...]]:
    """Return the joined rows; a connection that died while idle is replaced once."""
    if not stored:
        return []
    try:
        return _query(stored)
    except (OperationalError, InterfaceError):
        if connection.in_atomic_block or connection.is_usable():
            raise
        connection.close()
        return _query(stored)


def _query(stored: list[str]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(_FIND, [stored])
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
