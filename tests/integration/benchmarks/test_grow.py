"""A book that was grown by set is one that the append could have written."""

import subprocess
import sys

from benchmarks.crowd import ROOT
from ledger.book.append import append
from ledger.book.read import heads
from tests import books
from tests.databases import Database
from tests.integration.audit.commands import ledger


def run(database: Database, *arguments: str) -> None:
    """Run a module of the benches on the test's database."""
    subprocess.run([sys.executable, "-m", *arguments], env=database.env, cwd=ROOT, check=True)


def test_a_grown_book_verifies_and_goes_on(database: Database) -> None:
    run(database, "benchmarks.fill", "200", "1")
    run(database, "benchmarks.grow", "160", "200")

    grown = heads()
    for event in books.grant(books.person(1), 5):
        append(shard=3, outcomes=[], events=[event])

    assert ledger("verify")[0] == 0
    assert sum(head.position for head in grown.values()) == 200 + 2 + 5 + 160
