"""The desk of one batch: what was loaded, how it moves on in memory, what is to be appended.

Used by `ledger.handlers` alone. State moves on with each accepted order, so that a batch behaves
as if its orders ran one after the other.
"""

import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from django.db import connection

from core import traces
from core.ids import new_id
from ledger.book.canonical import canonical, written
from ledger.book.load import Loaded
from ledger.book.rows import Appended, NewEvent, Outcome
from ledger.codec import encode, encode_entries
from ledger.commands import SPECS
from ledger.domain.change import Change, Decision
from ledger.domain.errors import RULES_BY_CODE, RuleBroken
from ledger.orders import (
    Accepted,
    CommandFailed,
    Context,
    Key,
    KeyReused,
    Order,
    Position,
    Refused,
    Result,
    stream_id,
)
from ledger.states import NOTHING, Folded, evolve, fold, fold_loaded
from ledger.terms import terms

# A key remembers these refusals. The others may turn out otherwise when they are tried again.
REMEMBERED = frozenset({404, 409, 422})
ACCEPTED_STATUS = 200

# Folded states of streams that many commands read and few change; a load fetches what is newer.
CACHED_KINDS = frozenset({"style"})
CACHED_STATES = 10_000

log = structlog.get_logger(__name__)


class Draft(NamedTuple):
    """What became of one order before the append."""

    order: Order
    refusal: RuleBroken | None = None
    outcome: Outcome | None = None  # the remembered answer to repeat
    folded: Folded = NOTHING
    decision: Decision = Decision()


_cache: OrderedDict[tuple[str, str], Folded] = OrderedDict()


class Wanted:
    """What a load has to fetch for `orders`: outcomes, streams, balances."""

    def __init__(self, orders: Sequence[Order]) -> None:
        self.database = str(connection.settings_dict["NAME"])
        self.keys = [
            (order.context.key.scope, order.context.key.key)
            for order in orders
            if order.context.key
        ]
        self.cached = {
            name: _cache.get((self.database, name), NOTHING)
            for order in orders
            for name in SPECS[type(order.command)].streams(order.command)
        }
        self.accounts = sorted(
            {
                account_of(order.command)
                for order in orders
                for account_of in SPECS[type(order.command)].balances.values()
            }
        )

    @property
    def streams(self) -> dict[str, int]:
        """Each stream with the version that is known of it; newer events are to be fetched."""
        return {name: folded.version for name, folded in self.cached.items()}


class Desk:
    """Decides orders of one shard on one load; `events` and `outcomes` are what to append."""

    def __init__(self, wanted: Wanted, loaded: Loaded) -> None:
        self.events: list[NewEvent] = []
        self.outcomes: list[Outcome] = []
        self.appended: Appended | None = None
        self._now = loaded.now
        self._known = loaded.outcomes
        self._balances = loaded.balances
        self._streams: dict[str, Folded] = {}
        for name, cached in wanted.cached.items():
            folded = fold_loaded(name, loaded.streams.get(name, ()), cached)
            self._streams[name] = folded
            _remember_state(wanted.database, name, folded)

    def decide(self, order: Order) -> Draft:
        """Decide `order` on the state so far and move that state on."""
        key = order.context.key
        known = self._known.get((key.scope, key.key)) if key else None
        if key and known:
            if known.fingerprint != key.fingerprint:
                return Draft(order, refusal=KeyReused())
            return Draft(order, outcome=known)
        try:
            decision = self._decision(order)
        except RuleBroken as refusal:
            if key and refusal.status in REMEMBERED:
                self._remember(_refused_outcome(key, refusal))
            return Draft(order, refusal=refusal)
        except Exception:
            log.exception("command_failed", alarm=True, command=type(order.command).__name__)
            return Draft(order, refusal=CommandFailed())
        metadata = _metadata(order.context, command_id=new_id())
        for change in decision.changes:
            self._apply(change, metadata)
        folded = self._streams[order.stream]
        if key:
            self._remember(
                Outcome(
                    key.scope, key.key, key.fingerprint, ACCEPTED_STATUS,
                    decision.disposition, None, order.stream, folded.version,
                )
            )  # fmt: skip
        return Draft(order, folded=folded, decision=decision)

    def result(self, shard: int, draft: Draft) -> Result:
        """Return what `draft` became once the append has committed."""
        if draft.outcome:
            return _replayed(draft.outcome)
        if draft.refusal:
            return Refused(error=draft.refusal)
        position = Position(shard, self.appended.position) if self.appended else None
        return Accepted(
            stream=draft.order.stream,
            version=draft.folded.version,
            state=draft.folded.state,
            disposition=draft.decision.disposition,
            changes=draft.decision.changes,
            position=position,
        )

    def _decision(self, order: Order) -> Decision:
        spec = SPECS[type(order.command)]
        arguments: dict[str, Any] = {
            name: self._state(stream_of(order.command)) for name, stream_of in spec.reads.items()
        }
        for name, account_of in spec.balances.items():
            arguments[name] = self._balances.get(account_of(order.command), {})
        if "now" in spec.asks:
            arguments["now"] = self._now
        if "terms" in spec.asks:
            arguments["terms"] = terms()
        return Decision.of(spec.decide(order.command, **arguments))

    def _state(self, stream: str | None) -> Any:
        return self._streams[stream].state if stream else None

    def _apply(self, change: Change, metadata: str) -> None:
        folded = self._streams.get(change.stream, NOTHING)
        folded = evolve(change.stream, folded, change.event, self._now)
        self._streams[change.stream] = folded
        type_name, schema_version, data = encode(change.event)
        self.events.append(
            NewEvent(
                new_id(stream_id(change.stream)), change.stream, folded.version, type_name,
                schema_version, data, encode_entries(change.entries),
                metadata, change.movement_key, self._now,
            )
        )  # fmt: skip
        for entry in change.entries:
            colours = self._balances.setdefault(entry.account, {})
            colours[entry.colour] = colours.get(entry.colour, 0) + entry.amount

    def _remember(self, outcome: Outcome) -> None:
        self._known[outcome.scope, outcome.key] = outcome
        self.outcomes.append(outcome)


def _remember_state(database: str, stream: str, folded: Folded) -> None:
    if stream.partition("-")[0] in CACHED_KINDS and folded.version:
        _cache[database, stream] = folded
        while len(_cache) > CACHED_STATES:
            _cache.popitem(last=False)


def _metadata(context: Context, *, command_id: UUID) -> str:
    values: Mapping[str, str | UUID | None] = {
        "actor": context.actor,
        "command_id": command_id,
        "correlation_id": context.correlation_id or command_id,
        "causation_id": context.causation_id,
        "traceparent": context.traceparent or traces.current(),
    }
    return written({name: value for name, value in values.items() if value})


def _refused_outcome(key: Key, refusal: RuleBroken) -> Outcome:
    return Outcome(
        key.scope, key.key, key.fingerprint, refusal.status,
        refusal.code, canonical(refusal.details), None, None,
    )  # fmt: skip


def _replayed(outcome: Outcome) -> Result:
    """Return the first answer again, folded from the book up to the version it was given at."""
    if outcome.stream is None or outcome.version is None:
        rule = RULES_BY_CODE[outcome.code or ""]
        return Refused(error=rule(**json.loads(outcome.details or "{}")), replayed=True)
    folded, position = fold(outcome.stream, through_version=outcome.version)
    return Accepted(
        stream=outcome.stream,
        version=outcome.version,
        state=folded.state,
        disposition=outcome.code,
        position=position,
        replayed=True,
    )
