"""Loads what commands are decided on: one statement, one snapshot, no locks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from core.postgres.prepared import PreparedCall
from ledger.book.read import stream_shard
from ledger.book.rows import Outcome, StreamEvent

_LOAD = PreparedCall(
    "load_v1",
    types=["smallint", "text[]", "text[]", "text[]", "smallint[]", "bigint[]", "text[]"],
    columns="kind, name, label, number, body, code, details, stream, version, at",
)


@dataclass(slots=True)
class Loaded:
    """One snapshot: the database's clock, known outcomes, streams, balances by account."""

    now: datetime
    outcomes: dict[tuple[str, str], Outcome] = field(default_factory=dict)
    streams: dict[str, list[StreamEvent]] = field(default_factory=dict)
    balances: dict[str, dict[str, int]] = field(default_factory=dict)


def load(
    *,
    shard: int,
    keys: Sequence[tuple[str, str]],
    streams: Mapping[str, int],
    accounts: Sequence[str],
) -> Loaded:
    """Return outcomes by (scope, key), each stream's events after the given version, balances.

    Outcomes and balances lie in `shard`; streams may lie in any shard.
    """
    names = list(streams)
    rows = _LOAD.rows(
        [
            shard,
            [scope for scope, _ in keys],
            [key for _, key in keys],
            names,
            [stream_shard(name) for name in names],
            list(streams.values()),
            list(accounts),
        ]
    )
    loaded = Loaded(now=rows[0][-1])
    for kind, name, label, number, body, code, details, stream, version, at in rows[1:]:
        if kind == "e":
            events = loaded.streams.setdefault(stream, [])
            events.append(StreamEvent(name, label, number, body, version, at))
        elif kind == "b":
            loaded.balances.setdefault(name, {})[label] = number
        else:
            loaded.outcomes[name, label] = Outcome(
                name, label, body, number, code, details, stream, version
            )
    return loaded
