"""Folds and invariants that audit and tests share: balances, and I1-I8, I11-I13 (design section 7).

A movement is judged alone, a job by the events of its stream, the book by its balances. Nothing
here reads the database: whoever calls brings the events in order.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, NamedTuple

from ledger.codec import Recorded
from ledger.domain import money
from ledger.domain.events import (
    Event,
    GenerationCanceled,
    GenerationCompleted,
    GenerationExpired,
    GenerationFailed,
    GenerationRefunded,
    GenerationRequested,
    HoldCaptured,
    HoldReleased,
    TokensHeld,
    TrainingCanceled,
    TrainingCompleted,
    TrainingExpired,
    TrainingFailed,
    TrainingRequested,
)

Balances = dict[tuple[str, str], int]  # (account, colour): tokens

_REQUESTED = (GenerationRequested, TrainingRequested)
_COMPLETED = (GenerationCompleted, TrainingCompleted)
_ENDED = (
    *_COMPLETED,
    GenerationFailed,
    GenerationExpired,
    GenerationCanceled,
    TrainingFailed,
    TrainingExpired,
    TrainingCanceled,
)
_HEX = frozenset("0123456789abcdef")


class Violation(NamedTuple):
    """One broken rule: the invariant's name, the position (`7-1234`; empty: the whole book)."""

    invariant: str
    position: str
    text: str


def add_entries(balances: Balances, entries: Iterable[tuple[str, str, int]]) -> None:
    """Add one movement of (account, colour, amount) to `balances`."""
    for account, colour, amount in entries:
        balances[account, colour] = balances.get((account, colour), 0) + amount


def balances_of(events: Iterable[Recorded]) -> Balances:
    """Return the balance of every account and colour that `events` touch, those at zero too."""
    balances: Balances = {}
    for recorded in events:
        add_entries(
            balances, ((entry.account, entry.colour, entry.amount) for entry in recorded.entries)
        )
    return balances


def book_violations(folded: Balances, served: Mapping[tuple[str, str], int]) -> Iterator[Violation]:
    """Yield where all accounts do not sum to zero (I2), or a guarded balance is not the sum of
    its entries (I13); `served` are the guarded balances as they stand.
    """
    sums: dict[str, int] = {}
    for (account, colour), amount in folded.items():
        sums[colour] = sums.get(colour, 0) + amount
        if money.is_guarded(account) and served.get((account, colour), 0) != amount:
            shown = served.get((account, colour), 0)
            text = f"{account} {colour} is {shown}, its entries sum to {amount}"
            yield Violation("I13", "", text)
    for account, colour in served.keys() - folded.keys():
        if served[account, colour] or not money.is_guarded(account):
            text = f"{account} {colour} is {served[account, colour]} without an entry"
            yield Violation("I13", "", text)
    for colour, total in sums.items():
        if total:
            yield Violation("I2", "", f"all accounts together hold {total} {colour}")


def shard_violations(events: Iterable[Recorded]) -> Iterator[Violation]:
    """Yield every broken rule of one shard's `events`, given in shard order."""
    streams: dict[str, StreamFold] = {}
    for recorded in events:
        stream = streams.setdefault(recorded.stream, StreamFold())
        yield from stream.apply(recorded)
    for stream in streams.values():
        yield from stream.close()


@dataclass(slots=True)
class Job:
    """What the invariants need to know of one training or generation, in tokens."""

    held_account: str
    quote: int
    held: int = 0
    captured: int = 0
    released: int = 0
    refunded: int = 0
    set_aside: int = 0  # what the entries say is on the held account
    pending: int = 0  # what the entries say is on the artist's pending account
    ended: str = ""  # position of the terminal event
    is_completed: bool = False
    has_object: bool = False
    credited: str = ""  # position of the first credit to an artist

    @property
    def open(self) -> int:
        """Tokens still held for this job."""
        return self.held - self.captured - self.released


@dataclass(slots=True)
class StreamFold:
    """The rules of one stream: `apply` its events in order, then `close`; both give violations."""

    version: int = 0
    keys: set[str] = field(default_factory=set)
    job: Job | None = None

    def apply(self, recorded: Recorded) -> list[Violation]:
        """Judge the stream's next event."""
        found = [*self._order(recorded), *_movement(recorded)]
        if isinstance(recorded.event, _REQUESTED) and self.job is None:
            self.job = Job(money.held(recorded.event.user_id), recorded.event.price)
        elif type(recorded.event) in _JOB_RULES or isinstance(recorded.event, _REQUESTED):
            if self.job is None:
                found.append(_broken("I4", recorded, "a job's event before its request"))
            else:
                found += _job_rules(self.job, recorded)
        if self.job is not None:
            found += _job_entries(self.job, recorded)
        return found

    def close(self) -> list[Violation]:
        """Judge the stream at its end, or at a present at which no transaction is cut in two."""
        job = self.job
        if job is None:
            return []
        found = []
        if job.ended and job.open > 0:
            text = f"the job has ended and {job.open} tokens are still held for it"
            found.append(Violation("I4", job.ended, text))
        if job.credited and job.ended and not job.is_completed:
            text = "an artist was credited for a job that did not complete"
            found.append(Violation("I12", job.credited, text))
        return found

    def _order(self, recorded: Recorded) -> Iterator[Violation]:
        self.version += 1
        if recorded.version != self.version:
            text = f"version {recorded.version} of {recorded.stream} follows {self.version - 1}"
            yield _broken("version", recorded, text)
            self.version = recorded.version
        key = recorded.movement_key
        if key is None:
            return
        if key in self.keys:
            yield _broken("I11", recorded, f"the movement {key} is there twice")
        if not key.startswith(f"{recorded.stream}:"):
            yield _broken("I11", recorded, f"the movement {key} is none of {recorded.stream}")
        self.keys.add(key)


def _broken(invariant: str, recorded: Recorded, text: str) -> Violation:
    return Violation(invariant, f"{recorded.shard}-{recorded.position}", text)


def _movement(recorded: Recorded) -> Iterator[Violation]:
    """Yield where a movement does not sum to zero per colour (I1), or has no key (I11)."""
    sums: dict[str, int] = {}
    for entry in recorded.entries:
        sums[entry.colour] = sums.get(entry.colour, 0) + entry.amount
    for colour, total in sums.items():
        if total:
            yield _broken("I1", recorded, f"the movement sums to {total} {colour}")
    if bool(recorded.entries) != (recorded.movement_key is not None):
        yield _broken("I11", recorded, "a movement and its key go together")


def _on_requested(job: Job, recorded: Recorded) -> Iterator[Violation]:
    yield _broken("I4", recorded, "the job was requested twice")


def _on_held(job: Job, recorded: Recorded) -> Iterator[Violation]:
    job.held += _amount(recorded)
    if job.held != job.quote:
        yield _broken("I5", recorded, f"held {job.held} of a quote of {job.quote}")


def _on_completed(job: Job, recorded: Recorded) -> Iterator[Violation]:
    event: Any = recorded.event
    job.is_completed = not job.ended
    job.has_object = bool(event.key) and len(event.sha256) == 64 and _HEX.issuperset(event.sha256)
    yield from _on_ended(job, recorded)


def _on_ended(job: Job, recorded: Recorded) -> Iterator[Violation]:
    if job.ended:
        yield _broken("I4", recorded, f"the job has ended before, at {job.ended}")
    job.ended = job.ended or f"{recorded.shard}-{recorded.position}"


def _on_captured(job: Job, recorded: Recorded) -> Iterator[Violation]:
    event: Any = recorded.event
    job.captured += event.amount
    if job.captured > job.held:
        yield _broken("I5", recorded, f"captured {job.captured} of a hold of {job.held}")
    if not job.has_object:
        yield _broken("I6", recorded, "the capture names no object with its SHA-256")
    paid = sum(artist + platform for _, artist, platform in event.split)
    credited = _credit(recorded, ("artist/", money.REVENUE))
    if not paid == credited == event.amount:
        text = f"captured {event.amount}, split into {paid}, credited {credited}"
        yield _broken("I7", recorded, text)


def _on_released(job: Job, recorded: Recorded) -> Iterator[Violation]:
    job.released += _amount(recorded)
    if job.open < 0:
        text = f"hold {job.held} < captured {job.captured} + released {job.released}"
        yield _broken("I3", recorded, text)


def _on_refunded(job: Job, recorded: Recorded) -> Iterator[Violation]:
    job.refunded += _amount(recorded)
    if job.refunded > job.captured:
        yield _broken("I8", recorded, f"refunded {job.refunded} of {job.captured} captured")
    credited = _credit(recorded, ("user/",))
    if credited != _amount(recorded):
        text = f"the refund of {_amount(recorded)} gave back {credited}"
        yield _broken("I8", recorded, text)


def _job_rules(job: Job, recorded: Recorded) -> Iterator[Violation]:
    return _JOB_RULES.get(type(recorded.event), _on_requested)(job, recorded)


def _job_entries(job: Job, recorded: Recorded) -> Iterator[Violation]:
    """Yield where entries in a job's stream are not what its events say (I3, I8, I12)."""
    for entry in recorded.entries:
        if entry.account == job.held_account:
            job.set_aside += entry.amount
        elif entry.account.startswith("artist/"):
            if entry.account.endswith("/pending"):
                job.pending += entry.amount
            if entry.amount > 0 and not job.credited:
                job.credited = f"{recorded.shard}-{recorded.position}"
                if not job.is_completed:
                    yield _broken("I12", recorded, "an artist is credited before completion")
    if recorded.entries and job.set_aside != job.open:
        text = f"the entries hold {job.set_aside}, the events {job.open}"
        yield _broken("I3", recorded, text)
    if job.pending < 0:
        text = f"the artist gave back {-job.pending} more than the capture gave"
        yield _broken("I8", recorded, text)


def _credit(recorded: Recorded, prefixes: tuple[str, ...]) -> int:
    """Return the tokens that a movement gives to accounts with one of `prefixes`."""
    return sum(
        entry.amount
        for entry in recorded.entries
        if entry.amount > 0 and entry.account.startswith(prefixes)
    )


_amount: Callable[[Recorded], int] = attrgetter("event.amount")

_JOB_RULES: dict[type[Event], Callable[[Job, Recorded], Iterator[Violation]]] = {
    TokensHeld: _on_held,
    HoldCaptured: _on_captured,
    HoldReleased: _on_released,
    GenerationRefunded: _on_refunded,
    **dict.fromkeys(_ENDED, _on_ended),
    **dict.fromkeys(_COMPLETED, _on_completed),
}
