"""What a model author sees: the job that comes in, the result or the failure that goes out."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CODE = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
"""What the server takes as a failure's code or a metric's name."""


class JobFailed(Exception):
    """The job cannot be done; `message` is shown to the user, so it never quotes the prompt.

    Raises ValueError for a code that is not lower case letters, digits and underscores.
    """

    def __init__(self, code: str, message: str, *, retryable: bool) -> None:
        if not CODE.fullmatch(code):
            raise ValueError(f"not a code: {code!r}")
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable


class JobStopped(Exception):
    """Nobody waits for the result any more. Raised by `Job.report`; let it pass through."""


@dataclass(frozen=True, kw_only=True)
class Input:
    """A downloaded file whose SHA-256 was checked; `caption` is given with training images."""

    path: Path
    sha256: str
    caption: str = ""


Report = Callable[[int, int | None, int | None], None]
"""Called with (percent, current epoch, total epochs); raises JobStopped to end the job."""


def _unheard(percent: int, current_epoch: int | None, total_epochs: int | None) -> None:
    """Drop the report: the default, so that a model function can be called in a test."""


Save = Callable[[int, Callable[[], bytes]], bool]
"""Called with an epoch and what makes the checkpoint; returns whether it is being saved."""


def _unsaved(epoch: int, make_bytes: Callable[[], bytes]) -> bool:
    """Save nothing: the default, as for reports."""
    return False


@dataclass(frozen=True, kw_only=True)
class Job:
    """One task: its type, its `data` as sent, and its files in the order of `data`.

    `inputs` are the training images, or the one model of a generation. `checkpoint` is what an
    earlier attempt at the training saved after `checkpoint_epoch` epochs, None to start anew.
    """

    task_id: str
    type: str
    data: Mapping[str, Any]
    inputs: tuple[Input, ...]
    checkpoint: Path | None = None
    checkpoint_epoch: int = 0
    on_report: Report = field(default=_unheard, repr=False)
    on_checkpoint: Save = field(default=_unsaved, repr=False)

    def report(
        self, percent: int, *, current_epoch: int | None = None, total_epochs: int | None = None
    ) -> None:
        """Tell how far the work is, 0 to 100. Cheap: call it as often as you like.

        Raises JobStopped when the job was canceled or the worker is told to end.
        """
        self.on_report(percent, current_epoch, total_epochs)

    def save_checkpoint(self, epoch: int, make_bytes: Callable[[], bytes]) -> bool:
        """Save what a next attempt needs to go on after `epoch`; return whether that was begun.

        `make_bytes` is called at once, or not at all if an earlier checkpoint is still on its way
        or was saved not long ago, a seventh of the training's time so far; the upload does not
        wait. At most 32 MiB. Raises JobStopped as `report` does.
        """
        return self.on_checkpoint(epoch, make_bytes)


@dataclass(frozen=True, kw_only=True)
class Result:
    """The finished file and numbers about how it went."""

    content: bytes = field(repr=False)
    content_type: str
    metrics: Mapping[str, int | float] = field(default_factory=dict)


Work = Callable[[Job], Result]
"""The one function that a model author writes. May raise JobFailed."""
