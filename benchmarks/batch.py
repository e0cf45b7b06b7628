"""Batches of 200 commands of one shard, against plain inserts and against the guide."""

from contextlib import ExitStack

from benchmarks import story
from benchmarks.database import Server
from benchmarks.effort import Effort
from benchmarks.figures import Figure, at_least
from benchmarks.log import Log
from benchmarks.pairs import interleave
from benchmarks.sides import guide, ours

PROCESSES = 2
GUIDE_PROCESSES = 8  # as many as suit it best
PLAIN_TARGET = 0.6
GUIDE_TARGET = 8.0


def run(server: Server, effort: Effort) -> list[Figure]:
    """Return both figures."""
    with ExitStack() as stack:
        book = stack.enter_context(server.book())
        book.run("-m", "benchmarks.fill", str(story.PAYERS), "1")
        twin = stack.enter_context(server.book(book))
        batches = Log(stack.enter_context(ours(book, "batches", processes=PROCESSES)))
        crowd = stack.enter_context(ours(twin, "plain", str(PROCESSES), processes=PROCESSES))
        inserts = Log(crowd, is_prepared=True)
        by_rows = interleave(
            lambda: batches.rate(effort.seconds),
            lambda: inserts.rate(effort.seconds),
            pairs=effort.pairs,
        )
        note = f"CPU per command: ours {batches.cpu()}, plain {inserts.cpu()}"
        rows = at_least(
            "batch of 200 vs plain insert", by_rows, target=PLAIN_TARGET, unit="commands/s",
            note=note,
        )  # fmt: skip
        empty = stack.enter_context(server.empty())
        creates = Log(stack.enter_context(guide(empty, GUIDE_PROCESSES)))
        by_guide = interleave(
            lambda: batches.rate(effort.seconds),
            lambda: creates.rate(effort.seconds),
            pairs=effort.pairs,
        )
        note = f"the guide with {GUIDE_PROCESSES} processes, {creates.cpu()}"
        return [
            rows,
            at_least(
                "batch of 200 vs the guide", by_guide, target=GUIDE_TARGET, unit="commands/s",
                note=note,
            ),
        ]  # fmt: skip
