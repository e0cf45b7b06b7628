"""Many processes append at once: what readers see, and what balances do (G3, G10)."""

import itertools
import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from ledger.book import read
from tests import books
from tests.databases import Database
from tests.integration.audit.commands import ledger
from tests.integration.ledger.book.writers import FEW, SHARDS

WRITERS = 16
SECONDS = 20
TRANSFER_PROCESSES = 6
TRANSFER_SECONDS = 10
START_SECONDS = 120  # for a busy machine to start and to end them

pytestmark = pytest.mark.slow


class Writers:
    """The writing processes, as a child of the test."""

    def __init__(
        self, database: Database, folder: Path, story: str, processes: int, seconds: int
    ) -> None:
        self.folder = folder
        self.deadline = time.monotonic() + seconds + START_SECONDS
        arguments = [story, str(processes), str(seconds), str(folder)]
        module = "tests.integration.ledger.book.writers"
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments], env=database.env
        )

    def __enter__(self) -> "Writers":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def are_writing(self) -> bool:
        assert time.monotonic() < self.deadline, "the writers do not end"
        return self.process.poll() is None

    def lines(self) -> list[dict[str, Any]]:
        """Return what they did; each of them must have ended well."""
        assert self.process.wait(START_SECONDS) == 0
        logs = [path.read_text().splitlines() for path in self.folder.glob("*.jsonl")]
        return [json.loads(line) for line in itertools.chain(*logs)]


class Follower:
    """Reads every shard page by page, from where it was, while others write."""

    def __init__(self) -> None:
        self.seen: dict[int, list[UUID]] = {shard: [] for shard in range(read.book().shards)}

    def go_round(self) -> None:
        for shard, ids in self.seen.items():
            for row in read.page(shard, len(ids), limit=97):  # BookIsCorrupt at a hole
                assert row.position == len(ids) + 1
                ids.append(row.event_id)


def test_a_reader_beside_sixteen_writers_misses_nothing(database: Database, tmp_path: Path) -> None:
    """G10: dense, in order, everything that was acknowledged, refusals in between."""
    follower = Follower()
    with Writers(database, tmp_path, "anything", WRITERS, SECONDS) as writers:
        while writers.are_writing:
            follower.go_round()
        lines = writers.lines()
    for _ in range(100_000):
        before = sum(map(len, follower.seen.values()))
        follower.go_round()
        if sum(map(len, follower.seen.values())) == before:
            break

    refused = Counter(line["refused"] for line in lines if "refused" in line)
    assert refused.keys() <= {"BalanceMoved", "Contended"}
    assert refused["BalanceMoved"] > 0
    acknowledged = {}
    for line in lines:
        if "ids" in line:
            first = line["last"] - len(line["ids"])
            for offset, event_id in enumerate(line["ids"]):
                acknowledged[line["shard"], first + offset] = UUID(event_id)
    stored = {
        (shard, index): event_id
        for shard, ids in follower.seen.items()
        for index, event_id in enumerate(ids)
    }
    assert stored == acknowledged
    assert len(stored) > WRITERS * SECONDS
    assert {shard for shard, _ in stored} == set(SHARDS)
    assert ledger("verify")[0] == 0


def test_transfers_both_ways_neither_deadlock_nor_overdraw(
    database: Database, tmp_path: Path
) -> None:
    """G2, G3: one order of locks for everybody, whatever the order in the call.

    Audits run beside them, and each finds its own moment sound.
    """
    books.write(*(books.grant(user, 100) for user in FEW))
    lowest, totals = [], set()
    audits: Counter[tuple[int, str]] = Counter()
    story = ("transfers", TRANSFER_PROCESSES, TRANSFER_SECONDS)
    with Writers(database, tmp_path, *story) as writers:
        while writers.are_writing:
            with connection.cursor() as cursor:
                cursor.execute("select min(amount), sum(amount) from balance")
                low, total = cursor.fetchone()
            lowest.append(low)
            totals.add(total)
            for audit in (["verify"], ["replay", "--projection", "none"], ["balance", str(FEW[0])]):
                audits[ledger(*audit)] += 1
        lines = writers.lines()

    accepted = [line for line in lines if "ids" in line]
    assert [line for line in lines if line.get("code") == "40P01"] == []
    assert len(accepted) > TRANSFER_PROCESSES * TRANSFER_SECONDS
    assert {line["refused"] for line in lines if "refused" in line} >= {"BalanceMoved"}
    assert min(lowest) >= 0
    assert totals == {100 * len(FEW)}
    assert {code for code, _ in audits} == {0}
    assert sum(audits.values()) >= 6
    assert ledger("verify")[0] == 0
