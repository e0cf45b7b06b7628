"""`ledger verify`: proves that the book is whole, unaltered and consistent with itself.

It judges one snapshot of the heads: what is appended meanwhile is left to the next run.
"""

import itertools
import json
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from django.core.management.base import OutputWrapper

from audit import heads, pages, snapshot
from audit.chain import Chain
from audit.heads import KeptHeads
from audit.pages import EntryRow
from audit.progress import Advance, progress
from audit.snapshot import COVERED, Snapshot
from ledger.codec import Undecodable, decode
from ledger.fold import Balances, StreamFold, Violation, add_entries, book_violations

HELP = "prove that the book is whole and unaltered; exit 1 at the first difference"


def add_arguments(parser: ArgumentParser) -> None:
    """Take the files of kept heads, and how to speak."""
    parser.add_argument(
        "--expect-heads", type=Path, metavar="FILE", help="heads kept outside must be in the book"
    )
    parser.add_argument(
        "--write-heads", type=Path, metavar="FILE", help="keep the verified heads in FILE"
    )
    parser.add_argument("--json", action="store_true", help="print the verdict as JSON")
    parser.add_argument("--progress", action="store_true", help="show progress in any case")


def run(options: dict[str, Any], stdout: OutputWrapper) -> bool:
    """Verify the book and print the verdict; return whether it is sound."""
    kept = heads.read(options["expect_heads"]) if options["expect_heads"] else None
    started = time.monotonic()
    taken = snapshot.take()
    with progress("verify", total=2 * taken.events, is_wanted=options["progress"]) as advance:
        violation = next(violations(taken, kept=kept, advance=advance), None)
    seconds = time.monotonic() - started
    if violation is None and options["write_heads"]:
        now = KeptHeads(taken.book_id, taken.shards, taken.heads)
        heads.write(options["write_heads"], now)
    verdict = _verdict_json if options["json"] else _verdict_text
    stdout.write(verdict(taken, violation, seconds) + "\n")
    return violation is None


def violations(
    taken: Snapshot, *, kept: KeptHeads | None = None, advance: Advance = lambda _events: None
) -> Iterator[Violation]:
    """Yield what is wrong with the book as of `taken`, first things first.

    Whoever goes on after the first violation may be told of its consequences as well.
    """
    yield from _shape(taken, kept)
    folded: Balances = {}
    for shard, head in taken.heads.items():
        expected = kept.heads.get(shard) if kept else None
        yield from _chain(taken, shard, folded, expected, advance)
        yield from _streams(shard, head.position, advance)
    yield from book_violations(folded, taken.balances)


def _shape(taken: Snapshot, kept: KeptHeads | None) -> Iterator[Violation]:
    """Yield where the book has rows or columns that no chain covers, or is another book."""
    if set(taken.columns) != set(COVERED):
        odd = ", ".join(sorted(set(taken.columns) ^ set(COVERED)))
        yield Violation("chain", "", f"the hash does not cover the columns of event: {odd}")
    if list(taken.heads) != list(range(taken.shards)):
        yield Violation("head", "", f"not one head per shard: {list(taken.heads)}")
    for stray in taken.strays:
        yield Violation("shard", "", f"a row in no shard or a wrong one: {stray}")
    if kept and (kept.book_id, kept.shards) != (taken.book_id, taken.shards):
        text = f"this is book {taken.book_id}, the heads kept are of {kept.book_id}"
        yield Violation("book", "", text)


def _chain(
    taken: Snapshot, shard: int, folded: Balances, expected: tuple[int, bytes] | None,
    advance: Advance,
) -> Iterator[Violation]:  # fmt: skip
    """Yield where a shard is not dense, not in order, not what was hashed or not what was kept."""
    head = taken.heads[shard]
    chain = Chain(book_id=taken.book_id, shard=shard, shards=taken.shards)
    kept_position, kept_hash = expected or (0, chain.hash)
    if kept_position == 0 and kept_hash != chain.hash:
        yield Violation("kept", f"{shard}-0", "the shard does not begin as it did")
    position, recorded_at = 0, ""
    for rows in pages.chain_rows(shard, head.position):
        moved: list[tuple[int, str | None]] = []
        for row, stored in rows:
            position += 1
            where = f"{shard}-{position}"
            if row.position != str(position):
                yield Violation("density", where, f"a hole: the next event is {row.position}")
                position = int(row.position)
            if chain.follow(row) != stored:
                yield Violation("chain", where, "the event is not what was hashed")
                chain.hash = stored
            if row.recorded_at < recorded_at:
                yield Violation("order", where, "recorded before the event in front of it")
            if not (row.recorded_at.endswith("Z") and row.occurred_at.endswith("Z")):
                yield Violation("order", where, "a time that no reader can hold")
            recorded_at = row.recorded_at
            if position == kept_position and stored != kept_hash:
                yield Violation("kept", where, "the event is not the one whose hash was kept")
            moved.append((position, row.entries))
        yield from _entries(shard, moved, folded)
        advance(len(rows))
    yield from _end(taken, shard, position, chain.hash, kept_position)


def _end(
    taken: Snapshot, shard: int, position: int, digest: bytes, kept_position: int
) -> Iterator[Violation]:
    """Yield where a shard does not end at its head, or before a head that was kept."""
    head = taken.heads[shard]
    if position < head.position:
        text = f"the book ends at {position}, its head is {head.position}"
        yield Violation("head", f"{shard}-{position + 1}", text)
    elif digest != head.hash:
        yield Violation("head", f"{shard}-{position}", "the head is not the last event's hash")
    for table, last in (("events", taken.last_events), ("entries", taken.last_entries)):
        if last.get(shard, 0) > head.position:
            text = f"{table} past the head, up to {last[shard]}"
            yield Violation("head", f"{shard}-{head.position + 1}", text)
    if kept_position > head.position:
        text = f"cut: a head was kept at {kept_position}, the book ends at {head.position}"
        yield Violation("kept", f"{shard}-{head.position + 1}", text)


def _entries(
    shard: int, moved: list[tuple[int, str | None]], folded: Balances
) -> Iterator[Violation]:
    """Yield where the rows of `entry` are not the events' entries; fold these into balances."""
    stored = pages.entry_rows(shard, moved[0][0] - 1, moved[-1][0])
    wanted: list[EntryRow] = []
    for position, entries in moved:
        if entries is None:
            continue
        lines = _lines(entries)
        if lines is None:
            text = f"not a movement: {entries[:80]}"
            yield Violation("I1", f"{shard}-{position}", text)
            continue
        add_entries(folded, lines)
        wanted += ((position, number, *line) for number, line in enumerate(lines, start=1))
    if stored != wanted:
        position = _first_difference(stored, wanted)
        yield Violation(
            "entry", f"{shard}-{position}", "the entry rows are not the event's entries"
        )


def _lines(entries: str) -> list[tuple[str, str, int]] | None:
    """Return a movement's lines; None unless it is a list of [text, text, integer]."""
    try:
        lines = [(account, colour, amount) for account, colour, amount in orjson.loads(entries)]
    except (TypeError, ValueError):
        return None
    good = all(
        type(account) is str and type(colour) is str and type(amount) is int
        for account, colour, amount in lines
    )
    return lines if good and lines else None


def _first_difference(stored: list[EntryRow], wanted: list[EntryRow]) -> int:
    """Return the position of the first row that only one of two unequal lists has."""
    pairs = itertools.zip_longest(stored, wanted)
    different = next(pair for pair in pairs if pair[0] != pair[1])
    return min(row[0] for row in different if row is not None)


def _streams(shard: int, head: int, advance: Advance) -> Iterator[Violation]:
    """Yield where a stream breaks a rule: decodable, versions, I1, I3-I8, I11, I12.

    Read stream by stream: the memory of one stream is enough.
    """
    name, stream, events = "", StreamFold(), 0
    for rows in pages.stream_rows(shard, head):
        for row in rows:
            if row.stream != name:
                yield from stream.close()
                name, stream = row.stream, StreamFold()
            try:
                yield from stream.apply(decode(row))
            except (Undecodable, AttributeError, RecursionError, TypeError, ValueError) as error:
                yield Violation("type", f"{shard}-{row.position}", str(error))
        events += len(rows)
        advance(len(rows))
    yield from stream.close()
    if events != head:
        yield Violation("density", f"{shard}-{head}", f"{events} of {head} events are in streams")


def _verdict_json(taken: Snapshot, violation: Violation | None, seconds: float) -> str:
    verdict: dict[str, Any] = {
        "sound": violation is None,
        "book_id": taken.book_id,
        "shards": taken.shards,
        "events": taken.events,
        "seconds": round(seconds, 3),
    }
    if violation is not None:
        verdict["violation"] = violation._asdict()
    return json.dumps(verdict)


def _verdict_text(taken: Snapshot, violation: Violation | None, seconds: float) -> str:
    if violation is not None:
        place = f"at {violation.position} " if violation.position else ""
        return f"Difference {place}({violation.invariant}): {violation.text}."
    return (
        f"Sound: {taken.events:,} events in {taken.shards} shards, {seconds:.1f} s"
        f" ({taken.events / max(seconds, 0.001):,.0f} events/s)."
    )
