"""`ledger replay`: folds the book from event 1 and compares what comes out with what is served."""

import itertools
import json
import re
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

import orjson
from django.core.management.base import OutputWrapper

from audit import pages, snapshot
from audit.bounds import Bounds, parse_time, up_to_position, up_to_time
from audit.errors import UsageError
from audit.progress import Advance, progress
from ledger.book.read import BookIsCorrupt
from ledger.codec import Undecodable
from ledger.fold import Balances, Violation, book_violations
from projections import rebuild
from projections.catalogue import BY_NAME, PROJECTORS
from projections.projector import Projector

HELP = "fold the book from event 1, compare with what is served; exit 1 at the first difference"

_OWNER = re.compile(r"/[^/]+/")


def add_arguments(parser: ArgumentParser) -> None:
    """Take where to end, what to compare, and how to speak."""
    end = parser.add_mutually_exclusive_group()
    end.add_argument("--to-position", metavar="S-N", help="fold shard S up to event N, print only")
    end.add_argument("--until", metavar="TIME", help="fold what was recorded by TIME, print only")
    parser.add_argument("--account", help="print and compare this account only")
    parser.add_argument(
        "--projection",
        action="append",
        choices=sorted([*BY_NAME, "none"]),
        help="compare this projection (may be repeated; none: balances only; default: all)",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--progress", action="store_true", help="show progress in any case")


def run(options: dict[str, Any], stdout: OutputWrapper) -> bool:
    """Replay and print; return whether what is served equals the replay."""
    started = time.monotonic()
    taken = snapshot.take()
    bounds = _bounds(taken, options)
    events = sum(bounds.values())
    projectors = _projectors(options)
    folded: Balances = {}
    violation = None
    total = events * (1 + len(projectors))
    try:
        with progress("replay", total=total, is_wanted=options["progress"]) as advance:
            folded = fold(bounds, advance)
            seconds = time.monotonic() - started
            if not (options["to_position"] or options["until"]):
                differences = (
                    _balances(folded, taken.balances, options["account"]),
                    *(_projected(projector, advance) for projector in projectors),
                )
                violation = next(itertools.chain.from_iterable(differences), None)
    except (BookIsCorrupt, Undecodable) as error:
        seconds = time.monotonic() - started
        violation = Violation("I10", "", str(error))
    result = {
        "equal": violation is None,
        "events": events,
        "seconds": round(seconds, 3),  # of the fold to balances
        "balances": _shown(folded, options["account"]),
    }
    if violation is not None:
        result["violation"] = violation._asdict()
    stdout.write(json.dumps(result) if options["json"] else _text(result, violation))
    return violation is None


def fold(bounds: Bounds, advance: Advance = lambda _events: None) -> Balances:
    """Return all balances after the events up to `bounds`; raises BookIsCorrupt at a hole.

    Reads of each event nothing but its entries; a shard at a time, a page at a time.
    """
    balances: Balances = {}
    get = balances.get
    for shard, end in bounds.items():
        position = 0
        for rows in pages.movements(shard, end):
            position += len(rows)
            if rows[-1][0] != position:
                raise BookIsCorrupt(f"A hole in shard {shard} at or before {rows[-1][0]}.")
            for _, entries in rows:
                if entries is not None:
                    for account, colour, amount in orjson.loads(entries):
                        key = (account, colour)
                        balances[key] = get(key, 0) + amount
            advance(len(rows))
        if position != end:
            raise BookIsCorrupt(f"Shard {shard} ends at {position}, its head is at {end}.")
    return balances


def _bounds(taken: snapshot.Snapshot, options: dict[str, Any]) -> Bounds:
    if options["to_position"]:
        return up_to_position(taken.heads, options["to_position"])
    if options["until"]:
        return up_to_time(taken.heads, parse_time(options["until"]))
    return {shard: head.position for shard, head in taken.heads.items()}


def _projectors(options: dict[str, Any]) -> list[type[Projector]]:
    """Return whom to compare: nobody where only a part is replayed or shown."""
    if options["to_position"] or options["until"] or options["account"]:
        return []
    chosen = options["projection"]
    return [one for one in PROJECTORS if chosen is None or one.name in chosen]


def _balances(folded: Balances, served: Balances, account: str | None) -> Iterator[Violation]:
    """Yield where served balances are not what the replay gives (I2, I13)."""
    if account is None:
        yield from book_violations(folded, served)
        return
    mine = {key: amount for key, amount in folded.items() if key[0] == account}
    shown = {key: amount for key, amount in served.items() if key[0] == account}
    yield from (found for found in book_violations(mine, shown) if found.invariant != "I2")


def _projected(projector: type[Projector], advance: Advance) -> Iterator[Violation]:
    """Yield where the rows of a projection are not what the replay gives (I10)."""
    reached: dict[int, int] = {}

    def on_page(shard: int, position: int) -> None:
        advance(position - reached.get(shard, 0))
        reached[shard] = position

    try:
        differences = rebuild.differences(projector, on_page)
    except rebuild.RebuildUnfinished as error:
        raise UsageError(str(error)) from error
    for found in differences:
        side = "served, not replayed" if found.is_live else "replayed, not served"
        place = f"{found.shard}-{found.position}"
        yield Violation("I10", place, f"{projector.name}: {side}: {found.table} {found.row}")


def _shown(folded: Balances, account: str | None) -> dict[str, dict[str, int]]:
    """Return the balances of one account, or sums by kind of account with `*` for the owner."""
    shown: dict[str, dict[str, int]] = {}
    for (name, colour), amount in sorted(folded.items()):
        if account is None or name == account:
            sums = shown.setdefault(_OWNER.sub("/*/", name) if account is None else name, {})
            sums[colour] = sums.get(colour, 0) + amount
    return shown


def _text(result: dict[str, Any], violation: Violation | None) -> str:
    if violation is not None:
        place = f"at {violation.position} " if violation.position else ""
        return f"Difference {place}({violation.invariant}): {violation.text}."
    lines = [
        f"{account:<32} {colour:<16} {amount:>20,}"
        for account, sums in result["balances"].items()
        for colour, amount in sums.items()
    ]
    rate = result["events"] / max(result["seconds"], 0.001)
    lines.append(
        f"Replayed {result['events']:,} events, {result['seconds']:.1f} s ({rate:,.0f} events/s)."
    )
    return "\n".join(lines)
