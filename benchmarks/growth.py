"""Appending to a book of two million events, against an empty one."""

from contextlib import ExitStack

from benchmarks import story
from benchmarks.database import Server
from benchmarks.effort import Effort
from benchmarks.figures import Figure, at_least
from benchmarks.log import Log
from benchmarks.pairs import interleave
from benchmarks.sides import ours

PROCESSES = 8
TARGET = 0.85


def run(server: Server, effort: Effort) -> list[Figure]:
    """Return the figure."""
    with ExitStack() as stack:
        grown = stack.enter_context(server.grown(effort.grown_events))
        empty = stack.enter_context(server.book())
        empty.run("-m", "benchmarks.fill", str(story.PAYERS), "1")
        full = Log(
            stack.enter_context(ours(grown, "appends", processes=PROCESSES)), is_prepared=True
        )
        new = Log(
            stack.enter_context(ours(empty, "appends", processes=PROCESSES)), is_prepared=True
        )
        pairs = interleave(
            lambda: full.rate(effort.seconds), lambda: new.rate(effort.seconds), pairs=effort.pairs
        )
    note = (
        f"{effort.grown_events:,} events in the book;"
        f" CPU per append: grown {full.cpu()}, empty {new.cpu()}"
    )
    return [at_least("append to a grown book", pairs, target=TARGET, unit="appends/s", note=note)]
