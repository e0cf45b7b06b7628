"""What every object store offers, and the errors that it may raise."""

import re
from dataclasses import dataclass
from typing import Protocol, TypedDict

# No object is larger: what is checked is read into memory once.
MAX_OBJECT_BYTES = 64 * 1024 * 1024
MAX_KEY_LENGTH = 512
# Signature version 4 allows no longer life of a link.
MAX_LINK_SECONDS = 7 * 24 * 3600
# The only keys that others may write, through a form; all else is written by us.
UPLOADS = "uploads/"

_SEGMENT = r"[a-z0-9_][a-z0-9._-]{0,199}"
_KEY = re.compile(rf"{_SEGMENT}(/{_SEGMENT})*", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_CONTENT_TYPE = re.compile(r"[a-z0-9.+-]{1,64}/[a-z0-9.+-]{1,64}", re.ASCII)


class StorageError(Exception):
    """The object store refused."""

    status = 500
    code = "storage_error"

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else " ".join((self.__doc__ or "").split())


class KeyInvalid(StorageError):
    """The key, size, type or duration breaks the rules of the object store."""

    code = "key_invalid"


class ObjectMissing(StorageError):
    """There is no such object."""

    status = 404
    code = "not_found"


class ObjectTooLarge(StorageError):
    """The object has more bytes than allowed."""

    status = 413
    code = "too_large"


class ContentDiffers(StorageError):
    """The content is not what was announced, or another content is kept under this key."""

    status = 422
    code = "content_differs"


class LinkInvalid(StorageError):
    """The link was not made by us, or is for another use."""

    status = 403
    code = "link_invalid"


class LinkExpired(StorageError):
    """The link has expired."""

    status = 403
    code = "link_expired"


class StoreUnavailable(StorageError):
    """The object store does not answer; try again later."""

    status = 503
    code = "storage_unavailable"


@dataclass(frozen=True, kw_only=True, slots=True)
class Stat:
    """Size of an object and, where the store knows it, its SHA-256 as hex."""

    bytes: int
    sha256: str | None


class UploadForm(TypedDict):
    """A form to send as multipart POST: all `fields` first, then the file as field `file`."""

    url: str
    fields: dict[str, str]


class Store(Protocol):
    """An object store; keys are lower-case paths such as `results/{generation}/{sha256}`.

    Every method may raise KeyInvalid and StoreUnavailable.
    """

    def create(self) -> None:
        """Make the store's own place if it is missing."""
        ...

    def put(self, key: str, data: bytes, content_type: str) -> None:
        """Write `data` under `key`, over what was there."""
        ...

    def keep(self, key: str, data: bytes, content_type: str) -> None:
        """Write checked bytes under `key` for good; the same bytes again change nothing.

        Takes the bytes rather than a source key: what was checked is what is kept, whatever
        the uploader does meanwhile. Raises KeyInvalid for a key that others may write, and
        ContentDiffers when other bytes are kept there.
        """
        ...

    def read(self, key: str, limit_bytes: int) -> bytes:
        """Return the object; raises ObjectMissing, ObjectTooLarge over `limit_bytes`."""
        ...

    def head(self, key: str) -> Stat | None:
        """Return the object's size and checksum, or None when it is missing."""
        ...

    def delete(self, key: str) -> None:
        """Remove the object; a missing one is no error."""
        ...

    def upload_form(
        self,
        key: str,
        *,
        max_bytes: int,
        content_type: str,
        expires_seconds: int,
        sha256: str | None = None,
    ) -> UploadForm:
        """Return a form that lets its holder write 1 to `max_bytes` bytes under this one key.

        The key must lie under `uploads/`. With `sha256` only that content is accepted.
        """
        ...

    def download_url(
        self,
        key: str,
        *,
        expires_seconds: int,
        filename: str | None = None,
        content_type: str | None = None,
    ) -> str:
        """Return a link that lets its holder read this one object until it expires.

        With `filename` a browser saves it under that name; `content_type` is answered when
        given, else what the store knows.
        """
        ...


def check_key(key: str) -> str:
    """Return `key` if it is a lower-case ASCII path without traversal; raises KeyInvalid."""
    if len(key) > MAX_KEY_LENGTH or not _KEY.fullmatch(key):
        raise KeyInvalid
    return key


def check_upload(
    *, key: str, max_bytes: int, content_type: str, expires_seconds: int, sha256: str | None
) -> None:
    """Raise KeyInvalid unless a form with these limits may be given away."""
    if not check_key(key).startswith(UPLOADS):
        raise KeyInvalid
    if not 1 <= max_bytes <= MAX_OBJECT_BYTES:
        raise KeyInvalid
    if sha256 is not None and not _SHA256.fullmatch(sha256):
        raise KeyInvalid
    check_content_type(content_type)
    check_duration(expires_seconds)


def check_kept(key: str) -> None:
    """Raise KeyInvalid unless only we can write under `key`."""
    if check_key(key).startswith(UPLOADS):
        raise KeyInvalid


def check_content_type(content_type: str) -> None:
    """Raise KeyInvalid unless this is a plain media type without parameters."""
    if not _CONTENT_TYPE.fullmatch(content_type):
        raise KeyInvalid


def check_duration(expires_seconds: int) -> None:
    """Raise KeyInvalid unless a link may live that long."""
    if not 1 <= expires_seconds <= MAX_LINK_SECONDS:
        raise KeyInvalid


def safe_filename(filename: str) -> str:
    """Return `filename` without paths and control characters, at most 150 characters."""
    return re.sub(r"[\x00-\x1f\x7f/\\\"\ud800-\udfff]", "_", filename)[:150]
