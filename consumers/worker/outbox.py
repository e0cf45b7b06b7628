"""The worker's outbox: the last report of a task, and its result, on disk until both arrived."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from consumers.worker.disk import read_object, write_object, write_whole

FINAL = "final.json"
RESULT = "result.bin"


@dataclass(frozen=True, kw_only=True)
class PendingUpload:
    """Where the result on disk goes, and until when that is worth a try (Unix time, seconds)."""

    url: str = field(repr=False)
    fields: Mapping[str, str] = field(repr=False)
    content_type: str
    until: float


@dataclass(frozen=True, kw_only=True)
class FinalCallback:
    """The last report of a task: sent under the same id and with the same body until answered.

    `upload` is what has to be done before it is sent.
    """

    task_id: str
    action: str
    url: str = field(repr=False)
    callback_id: str
    body: str = field(repr=False)
    upload: PendingUpload | None = None
    traceparent: str = ""


class Outbox:
    """Room for one final callback and one result, in a folder that this process owns."""

    def __init__(self, folder: Path) -> None:
        self._final = folder / FINAL
        self._result = folder / RESULT

    def put(self, final: FinalCallback, content: bytes = b"") -> None:
        """Keep the callback, and the result that its upload is about. Raises OSError."""
        if final.upload:
            write_whole(self._result, content)
        write_object(self._final, asdict(final))

    def waiting(self) -> FinalCallback | None:
        """Return the callback that was not answered yet."""
        given = read_object(self._final)
        try:
            final = FinalCallback(**given) if given else None
            if final and final.upload:
                final = replace(final, upload=PendingUpload(**given["upload"]))
        except TypeError:
            return None
        return final

    def result(self) -> bytes | None:
        """Return the result to upload, None if it is lost."""
        try:
            return self._result.read_bytes()
        except FileNotFoundError:
            return None

    def uploaded(self, final: FinalCallback) -> FinalCallback:
        """Write down that nothing is left to upload, and return the callback that says so."""
        done = replace(final, upload=None)
        self.put(done)
        self._result.unlink(missing_ok=True)
        return done

    def clear(self) -> None:
        """Forget it all: the callback was answered."""
        self._final.unlink(missing_ok=True)
        self._result.unlink(missing_ok=True)
