"""What goes through the door and what comes back: orders, their context, results."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from ledger.commands import Command
from ledger.domain.change import Change
from ledger.domain.errors import RuleBroken


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """Idempotency: who repeats (`scope`), under which key, and the SHA-256 of what was asked."""

    scope: str
    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Who gives an order and what it belongs to; goes into the metadata of each event.

    Without `traceparent`, the trace counts in which the order is given, if it is in one.
    """

    actor: str
    key: Key | None = None
    correlation_id: UUID | None = None
    causation_id: UUID | None = None
    traceparent: str | None = None


class Order(NamedTuple):
    """One command with its context."""

    command: Command
    context: Context

    @property
    def stream(self) -> str:
        """The stream that the answer is rendered from."""
        return self.command.stream

    @property
    def shard_id(self) -> UUID:
        """The id whose last byte names the shard that the command writes to."""
        return stream_id(self.stream)


@lru_cache(maxsize=1_000)  # a command asks for its own stream's a few times
def stream_id(stream: str) -> UUID:
    """Return the id in a stream's name."""
    return UUID(stream[-36:])


class KeyReused(RuleBroken):
    """The idempotency key was used for another request."""

    status = 422
    code = "idempotency_key_reused"


class Busy(RuleBroken):
    """Too many commands touch the same things right now; try again."""

    status = 503
    code = "busy"


class AppendFailed(RuleBroken):
    """The book did not answer; send the same request with the same key again."""

    status = 503
    code = "append_failed"


class CommandFailed(RuleBroken):
    """The command failed on a defect of ours; nothing was written."""

    status = 500
    code = "internal_error"


class Position(NamedTuple):
    """A place in the book; its text form is `7-1234`."""

    shard: int
    number: int

    def __str__(self) -> str:
        return f"{self.shard}-{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The command was accepted: the state of its stream as of then.

    `disposition` is a report's stated answer, else None. `position` is where a reader has seen
    all of it, None when nothing was written. `replayed` tells that this is a first answer again.
    """

    stream: str
    version: int
    state: Any
    disposition: str | None = None
    changes: tuple[Change, ...] = ()
    position: Position | None = None
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The command broke a rule, and nothing was written but, for some rules, this answer."""

    error: RuleBroken
    replayed: bool = False


Result = Accepted | Refused
