"""Captures: everybody pays one artist, against the same paying 8,000 artists."""

from contextlib import ExitStack

from benchmarks import story
from benchmarks.database import Server
from benchmarks.effort import Effort
from benchmarks.figures import Figure, at_least
from benchmarks.log import Log
from benchmarks.pairs import interleave
from benchmarks.sides import ours

PROCESSES = 8
ARTISTS = 8_000
TARGET = 0.95


def run(server: Server, effort: Effort) -> list[Figure]:
    """Return the figure: a famous artist is no hot row."""
    with ExitStack() as stack:
        book = stack.enter_context(server.book())
        book.run("-m", "benchmarks.fill", str(story.PAYERS), str(ARTISTS))
        twin = stack.enter_context(server.book(book))
        one = Log(
            stack.enter_context(ours(book, "captures", "1", processes=PROCESSES)), is_prepared=True
        )
        crowd = stack.enter_context(ours(twin, "captures", str(ARTISTS), processes=PROCESSES))
        many = Log(crowd, is_prepared=True)
        pairs = interleave(
            lambda: one.rate(effort.seconds), lambda: many.rate(effort.seconds), pairs=effort.pairs
        )
    note = f"CPU per command: one artist {one.cpu()}, {ARTISTS:,} artists {many.cpu()}"
    return [at_least("capture, one artist", pairs, target=TARGET, unit="commands/s", note=note)]
