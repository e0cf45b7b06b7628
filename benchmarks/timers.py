"""A pass of the timers with a million jobs on record, against one where all on record is due."""

import json
import subprocess
import sys
from contextlib import closing
from typing import Any

from benchmarks.crowd import ROOT
from benchmarks.database import Server
from benchmarks.effort import Effort
from benchmarks.figures import Figure, at_most

LONGEST_BATCH_SECONDS = 1.0
GROWTH_TARGET = 1.5  # a hundred times the jobs, as many due
ROUNDS = 2


class NotByIndex(AssertionError):
    """A timer reads the table instead of an index."""


def run(server: Server, effort: Effort) -> list[Figure]:
    """Return the figures of the longest batch, and of all batches by those of the small record."""
    many = _found(server, effort.jobs_on_record, effort.jobs_due)
    few = _found(server, effort.jobs_due, effort.jobs_due)
    note = (
        f"{effort.jobs_due:,} due, {many['batches']} batches of up to 200;"
        f" {effort.jobs_on_record:,} and {effort.jobs_due:,} on record"
    )
    return [
        at_most(
            "timers: longest batch", 1_000 * many["longest_seconds"], 1_000 * LONGEST_BATCH_SECONDS,
            target=1.0, unit="ms", note=f"{note}, by the limit",
        ),
        at_most(
            "timers: finding all that is due", 1_000 * many["seconds"], 1_000 * few["seconds"],
            target=GROWTH_TARGET, unit="ms", note=note,
        ),
    ]  # fmt: skip


def _found(server: Server, on_record: int, due: int) -> dict[str, Any]:
    """Return what finding took, the quickest of some rounds with a database each."""
    rounds = [_round(server, on_record, due) for _ in range(ROUNDS)]
    return min(rounds, key=lambda one: float(one["seconds"]))


def _round(server: Server, on_record: int, due: int) -> dict[str, Any]:
    with server.book() as database:
        database.run("-m", "benchmarks.due", "fill", str(on_record), str(due))
        with closing(database.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("vacuum (analyze) generation")
        told = subprocess.run(
            [sys.executable, "-m", "benchmarks.due", "find"],
            env=database.env, cwd=ROOT, check=True, capture_output=True, text=True,
        )  # fmt: skip
    found: dict[str, Any] = json.loads(told.stdout)
    if on_record > due and any("Seq Scan on generation" in one for one in found["plans"].values()):
        raise NotByIndex(found["plans"])
    if found["found"] != due:
        raise AssertionError(f"{found['found']} of {due} were found")
    return found
