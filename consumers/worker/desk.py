"""What a worker keeps on disk: its claim, and the outbox of what was not answered yet."""

import fcntl
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from uuid import UUID, uuid4

from consumers.worker.disk import FRESH, read_object, write_object
from consumers.worker.outbox import RESULT, Outbox

INPUTS = "inputs-"
"""How the names of folders begin that hold a task's files while it runs."""
RUN_STRIDE = 1_000_000
"""How far apart the sequence numbers of two runs under one claim begin."""


class DeskTaken(Exception):
    """Another process works with this folder."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The UUID of one delivery, its task once that is known, and how often it was begun."""

    claim: str
    task_id: str = ""
    run: int = 0

    @property
    def first_sequence(self) -> int:
        """The number before the first report of this run: larger than any of an earlier run."""
        return self.run * RUN_STRIDE


class Desk:
    """A folder that one process owns while it lives; a crash leaves what the next one needs."""

    def __init__(self, folder: Path) -> None:
        """Take the folder; raises DeskTaken if another process has it, OSError if it cannot."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder = folder
        self._lock = (folder / "lock").open("a")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._lock.close()
            raise DeskTaken from error
        self._claim_file = folder / "claim.json"
        self.outbox = Outbox(folder)
        self._clear_away()

    def close(self) -> None:
        """Give the folder free."""
        self._lock.close()

    def open_claim(self) -> UUID:
        """Return the claim for the next delivery: the one of an unfinished task, else a new one."""
        claim = self._claim()
        if claim is None:
            claim = Claim(claim=str(uuid4()))
            write_object(self._claim_file, asdict(claim))
        return UUID(claim.claim)

    def bind(self, task_id: str, *, keeps_claim: bool) -> Claim:
        """Write down that this task is begun, and return its claim with the run's number.

        With `keeps_claim` the open claim is this task's, because it was sent to ask for the task;
        else only if it is unbound or was bound to this very task.
        """
        claim = self._claim()
        if claim is None or not (keeps_claim or claim.task_id in {"", task_id}):
            claim = Claim(claim=str(uuid4()))
        bound = replace(claim, task_id=task_id, run=claim.run + 1)
        write_object(self._claim_file, asdict(bound))
        return bound

    def finish(self) -> None:
        """Forget the claim: its task is done or not ours."""
        self._claim_file.unlink(missing_ok=True)

    def _claim(self) -> Claim | None:
        given = read_object(self._claim_file)
        try:
            UUID(given["claim"])
            return Claim(claim=given["claim"], task_id=given["task_id"], run=int(given["run"]))
        except (KeyError, TypeError, ValueError, AttributeError):
            return None

    def _clear_away(self) -> None:
        """Remove what killed runs left: inputs, half-written files, a result without its report."""
        for inputs in self.folder.glob(f"{INPUTS}*"):
            shutil.rmtree(inputs, ignore_errors=True)
        for half in self.folder.glob(f"*{FRESH}"):
            half.unlink(missing_ok=True)
        if self.outbox.waiting() is None:
            (self.folder / RESULT).unlink(missing_ok=True)
