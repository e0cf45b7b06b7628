"""What a decision returns: the changes to append, each an event with its movement."""

from dataclasses import dataclass
from enum import StrEnum

from ledger.domain.errors import InvariantBroken
from ledger.domain.events.base import Event
from ledger.domain.money import Entry, check_movement


@dataclass(frozen=True, slots=True)
class Change:
    """One event for `stream`; `verb` and `entries` when tokens move (key: `stream:verb`)."""

    stream: str
    event: Event
    verb: str | None = None
    entries: tuple[Entry, ...] = ()

    def __post_init__(self) -> None:
        check_movement(self.entries)
        if (self.verb is None) != (not self.entries):
            raise InvariantBroken(f"I11: a movement and its verb go together: {self.verb}")

    @property
    def movement_key(self) -> str | None:
        """The key under which this movement can happen once, or None without one (I11)."""
        return None if self.verb is None else f"{self.stream}:{self.verb}"


class Disposition(StrEnum):
    """What became of a report from outside: a worker's callback or a payment (section 9)."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    STALE = "stale"
    LATE_IGNORED = "late_ignored"
    JOB_CLOSED = "job_closed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What a command changes; a report's has its disposition too (G9).

    A report is never refused for coming late or twice: its `changes` are empty then.
    """

    changes: tuple[Change, ...] = ()
    disposition: Disposition | None = None

    @classmethod
    def of(cls, decided: "Decision | list[Change]") -> "Decision":
        """Return what a decide function returned as a decision: plain commands return changes."""
        return decided if isinstance(decided, Decision) else cls(changes=tuple(decided))


def applied(*changes: Change) -> Decision:
    """Return the decision that a report changes this, or nothing worth an event."""
    return Decision(changes=changes, disposition=Disposition.APPLIED)


def unchanged(disposition: Disposition) -> Decision:
    """Return the decision that a report changes nothing, and why."""
    return Decision(disposition=disposition)
