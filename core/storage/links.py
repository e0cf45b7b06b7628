"""Signed, expiring tokens for the local storage: one token allows one operation on one key."""

import base64
import binascii
import hashlib
import hmac
from typing import Literal, NamedTuple

import orjson

from core.storage.interface import LinkExpired, LinkInvalid

Operation = Literal["get", "put"]

_PURPOSE = b"storage-links-v1"
_MAX_TOKEN_LENGTH = 2_500


class Link(NamedTuple):
    """What a token allows; `expires_at` in seconds since 1970, sizes in bytes, "" means any."""

    operation: Operation
    key: str
    expires_at: int
    max_bytes: int = 0
    content_type: str = ""
    sha256: str = ""
    filename: str = ""


def derive_secret(secret_key: str) -> bytes:
    """Return the 32 bytes that sign links, derived from SECRET_KEY for this purpose only."""
    return hmac.digest(secret_key.encode(), _PURPOSE, hashlib.sha256)


def sign(link: Link, secret: bytes) -> str:
    """Return the URL-safe token of `link`."""
    payload = _encode(orjson.dumps(tuple(link)))
    return f"{payload}.{_signature(payload, secret)}"


def open_token(token: str, operation: Operation, *, secret: bytes, now: float) -> Link:
    """Return what `token` allows.

    Raises LinkInvalid when it was not signed by us or is for another operation, LinkExpired
    when its time is over at `now` (seconds since 1970).
    """
    payload, _, signature = token.partition(".")
    if len(token) > _MAX_TOKEN_LENGTH or not token.isascii():
        raise LinkInvalid
    if not hmac.compare_digest(signature, _signature(payload, secret)):
        raise LinkInvalid
    link = _decode(payload)
    if link.operation != operation:
        raise LinkInvalid
    if now >= link.expires_at:
        raise LinkExpired
    return link


def _signature(payload: str, secret: bytes) -> str:
    return _encode(hmac.digest(secret, payload.encode(), hashlib.sha256))


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(payload: str) -> Link:
    """Return the link in a payload whose signature was checked; an older shape is invalid."""
    try:
        return Link(*orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))
    except (binascii.Error, ValueError, TypeError) as error:
        raise LinkInvalid from error
