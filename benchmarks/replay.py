"""Replay to balances, one process, shard by shard, against pyeventsourcing's log."""

from contextlib import ExitStack

from benchmarks.database import Server
from benchmarks.effort import Effort
from benchmarks.figures import Figure, at_least, at_most
from benchmarks.log import Log
from benchmarks.pairs import interleave
from benchmarks.sides import notifications, ours, peak_mib

TARGET = 2.5
GROWTH_TARGET = 1.1  # ten times the events
MEMORY_TARGET_MIB = 200


def run(server: Server, effort: Effort) -> list[Figure]:
    """Return the rates' figure, and those of the memory at n and 10 n events."""
    few, many = effort.replay_events, 10 * effort.replay_events
    with ExitStack() as stack:
        book = stack.enter_context(server.grown(effort.grown_events))
        replays = Log(stack.enter_context(ours(book, "replays", str(few), processes=1)))
        log = Log(stack.enter_context(notifications(stack.enter_context(server.empty()), few)))
        pairs = interleave(
            lambda: replays.rate(effort.seconds),
            lambda: log.rate(effort.seconds),
            pairs=effort.pairs,
        )
        at_n, at_10n = peak_mib(book, few), peak_mib(book, many)
    note = f"{few:,} events a replay; CPU per event: ours {replays.cpu()}, peer {log.cpu()}"
    return [
        at_least("replay to balances", pairs, target=TARGET, unit="events/s", note=note),
        at_most(
            "replay memory, 10 n by n", at_10n, at_n, target=GROWTH_TARGET, unit="MiB",
            note=f"peak of the process at {many:,} and {few:,} events",
        ),
        at_most(
            "replay memory", at_10n, MEMORY_TARGET_MIB, target=1.0, unit="MiB",
            note=f"peak of the process at {many:,} events, by the limit",
        ),
    ]  # fmt: skip
