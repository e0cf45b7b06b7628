"""Object storage in a folder, with signed links of our own; `api.files` is its door."""

import contextlib
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from core.storage import links
from core.storage.interface import (
    MAX_OBJECT_BYTES,
    ContentDiffers,
    KeyInvalid,
    ObjectMissing,
    ObjectTooLarge,
    Stat,
    StoreUnavailable,
    UploadForm,
    check_content_type,
    check_duration,
    check_kept,
    check_key,
    check_upload,
    safe_filename,
)

_DRAFTS = ".drafts"  # no key begins with a dot
_DRAFT_LIFE_SECONDS = 24 * 3600


class LocalStore:
    """A folder that only this user may enter; an object is one file, its type is not kept."""

    def __init__(self, *, root: Path, public_url: str, secret: bytes) -> None:
        self.root = root
        self._public_url = public_url
        self._secret = secret
        self._drafts = root / _DRAFTS
        with _failures():
            self._drafts.mkdir(parents=True, exist_ok=True)
            root.chmod(0o700)
            self._drafts.chmod(0o700)
            self._remove_abandoned_drafts()

    def create(self) -> None:
        """Do nothing: the folder was made when this store was opened."""

    def put(self, key: str, data: bytes, content_type: str) -> None:
        """Write `data` under `key`, over what was there."""
        check_content_type(content_type)
        with self.draft(MAX_OBJECT_BYTES) as draft:
            draft.write(data)
            draft.place(self._path(key))

    def keep(self, key: str, data: bytes, content_type: str) -> None:
        """Write checked bytes under `key` for good; see Store.keep."""
        check_kept(key)
        check_content_type(content_type)
        with self.draft(MAX_OBJECT_BYTES) as draft:
            draft.write(data)
            if not draft.place_once(self._path(key)):
                kept = self.head(key)
                if kept is None or kept.sha256 != draft.sha256:
                    raise ContentDiffers

    def read(self, key: str, limit_bytes: int) -> bytes:
        """Return the object; raises ObjectMissing, ObjectTooLarge over `limit_bytes`."""
        with _failures(), self._path(key).open("rb") as file:
            data = file.read(limit_bytes + 1)
        if len(data) > limit_bytes:
            raise ObjectTooLarge
        return data

    def head(self, key: str) -> Stat | None:
        """Return the object's size and checksum, or None when it is missing."""
        try:
            with _failures(), self._path(key).open("rb") as file:
                digest = hashlib.file_digest(file, "sha256")
                return Stat(bytes=file.tell(), sha256=digest.hexdigest())
        except ObjectMissing:
            return None

    def delete(self, key: str) -> None:
        """Remove the object; a missing one is no error."""
        with contextlib.suppress(ObjectMissing), _failures():
            self._path(key).unlink()

    def upload_form(
        self,
        key: str,
        *,
        max_bytes: int,
        content_type: str,
        expires_seconds: int,
        sha256: str | None = None,
    ) -> UploadForm:
        """Return a form for one upload; see Store.upload_form."""
        check_upload(
            key=key,
            max_bytes=max_bytes,
            content_type=content_type,
            expires_seconds=expires_seconds,
            sha256=sha256,
        )
        link = links.Link(
            "put", key, int(time.time()) + expires_seconds, max_bytes, content_type, sha256 or ""
        )
        return {"url": self._url(link), "fields": {"Content-Type": content_type}}

    def download_url(
        self,
        key: str,
        *,
        expires_seconds: int,
        filename: str | None = None,
        content_type: str | None = None,
    ) -> str:
        """Return a link for reading; see Store.download_url."""
        check_key(key)
        check_duration(expires_seconds)
        if content_type:
            check_content_type(content_type)
        return self._url(
            links.Link(
                "get",
                key,
                int(time.time()) + expires_seconds,
                content_type=content_type or "",
                filename=safe_filename(filename or ""),
            )
        )

    def open_link(self, token: str, operation: links.Operation) -> links.Link:
        """Return what `token` allows now; raises LinkInvalid or LinkExpired."""
        return links.open_token(token, operation, secret=self._secret, now=time.time())

    def receive(self, link: links.Link, draft: "Draft") -> None:
        """Put what was uploaded through `link` under its key; raises ContentDiffers."""
        if draft.bytes == 0 or (link.sha256 and draft.sha256 != link.sha256):
            raise ContentDiffers
        draft.place(self._path(link.key))

    def draft(self, max_bytes: int) -> "Draft":
        """Return a new file of at most `max_bytes` that nobody sees before it is placed."""
        return Draft(self._drafts, max_bytes)

    def _url(self, link: links.Link) -> str:
        return f"{self._public_url}/files/{links.sign(link, self._secret)}"

    def _path(self, key: str) -> Path:
        return self.root / check_key(key)

    def _remove_abandoned_drafts(self) -> None:
        """Remove what a killed process left half-written."""
        oldest = time.time() - _DRAFT_LIFE_SECONDS
        for path in self._drafts.iterdir():
            with contextlib.suppress(FileNotFoundError):  # another process was faster
                if path.stat().st_mtime < oldest:
                    path.unlink()


class Draft:
    """A file being written; it is on disk in full before its name appears (G12)."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        try:
            handle, name = tempfile.mkstemp(dir=folder)  # mode 0600
        except OSError as error:
            raise StoreUnavailable from error
        self._path = Path(name)
        self._file = os.fdopen(handle, "wb")
        self._max_bytes = max_bytes
        self._digest = hashlib.sha256()
        self.bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            self._file.close()
        self._path.unlink(missing_ok=True)

    @property
    def sha256(self) -> str:
        """The SHA-256 of what was written so far, as hex."""
        return self._digest.hexdigest()

    def write(self, chunk: bytes) -> None:
        """Append `chunk`; raises ObjectTooLarge once it would exceed the limit."""
        if self.bytes + len(chunk) > self._max_bytes:
            raise ObjectTooLarge
        with _failures():
            self._file.write(chunk)
        self.bytes += len(chunk)
        self._digest.update(chunk)

    def place(self, target: Path) -> None:
        """Give the file its name, over what was there."""
        with _failures():
            self._finish(target.parent)
            self._path.replace(target)
            _sync_folder(target.parent)

    def place_once(self, target: Path) -> bool:
        """Give the file its name unless the name is taken; returns whether it was free."""
        with _failures():
            self._finish(target.parent)
            try:
                target.hardlink_to(self._path)
            except FileExistsError:
                return False
            _sync_folder(target.parent)
        return True

    def _finish(self, folder: Path) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        _make_folder(folder)


def _make_folder(folder: Path) -> None:
    """Make `folder` and its parents durably."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _failures() -> Iterator[None]:
    """Tell what the file system says in the words of the store."""
    try:
        yield
    except FileNotFoundError as error:
        raise ObjectMissing from error
    except (IsADirectoryError, NotADirectoryError, FileExistsError) as error:
        raise KeyInvalid from error  # one key is the folder of another
    except OSError as error:
        raise StoreUnavailable from error
