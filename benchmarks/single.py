"""One command at a time: ordering a picture through the door, against the guide's create path."""

from contextlib import ExitStack
from statistics import median

from benchmarks import story
from benchmarks.database import Server
from benchmarks.effort import Effort
from benchmarks.figures import Figure, at_least
from benchmarks.log import Log
from benchmarks.pairs import interleave
from benchmarks.sides import guide, ours

PROCESSES = 8
TARGET = 1.5


def run(server: Server, effort: Effort) -> list[Figure]:
    """Return the figure; its note has the CPU per command, and that of the append alone."""
    with ExitStack() as stack:
        book = stack.enter_context(server.book())
        book.run("-m", "benchmarks.fill", str(story.PAYERS), "1")
        requests = stack.enter_context(ours(book, "requests", processes=PROCESSES))
        creates = stack.enter_context(guide(stack.enter_context(server.empty()), PROCESSES))
        mine, theirs = Log(requests), Log(creates)
        pairs = interleave(
            lambda: mine.rate(effort.seconds),
            lambda: theirs.rate(effort.seconds),
            pairs=effort.pairs,
        )
        appends = stack.enter_context(ours(book, "appends", processes=PROCESSES))
        alone = Log(appends, is_prepared=True)
        alone_rates = [alone.rate(effort.seconds) for _ in range(effort.pairs)]
    note = (
        f"CPU per command: ours {mine.cpu()}, guide {theirs.cpu()};"
        f" append alone {median(alone_rates):,.0f}/s, {alone.cpu()}"
    )
    return [at_least("single command", pairs, target=TARGET, unit="commands/s", note=note)]
