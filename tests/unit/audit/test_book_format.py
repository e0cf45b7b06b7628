"""docs/reference/book-format.md: its code and its vectors, against the chain of verify (G1)."""

import json
import re
from typing import Any

import pytest

from audit.chain import Chain, ChainRow, genesis_hash, time_text
from ledger.book.rows import Row
from tests.format_page import PAGE, functions

BOOK_ID = "0192f0c1-7a3e-7c55-9d1e-2b8f6a4c9e01"
VECTORS: list[dict[str, Any]] = json.loads(
    re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)[-1]
)


def test_there_are_three_vectors_from_the_genesis_on() -> None:
    assert [vector["position"] for vector in VECTORS] == ["3-0", "3-1", "3-2"]


def test_the_page_computes_its_vectors() -> None:
    page = functions()
    digest = page["genesis"](BOOK_ID, 3, 16)
    assert digest.hex() == VECTORS[0]["hash"]
    for vector in VECTORS[1:]:
        digest = page["event_hash"](BOOK_ID, digest, vector["columns"])
        assert digest.hex() == vector["hash"]


def test_the_verifier_computes_the_vectors() -> None:
    chain = Chain(book_id=BOOK_ID, shard=3, shards=16)
    assert chain.hash.hex() == VECTORS[0]["hash"]
    assert chain.hash == genesis_hash(book_id=BOOK_ID, shard=3, shards=16)
    for vector in VECTORS[1:]:
        assert chain.follow(ChainRow._make(vector["columns"])).hex() == vector["hash"]


def test_every_column_of_an_event_is_hashed_in_its_order() -> None:
    assert (*ChainRow._fields, "hash") == Row._fields


@pytest.mark.parametrize("column", range(len(ChainRow._fields)))
def test_another_value_in_any_column_is_another_hash(column: int) -> None:
    columns = VECTORS[1]["columns"]
    changed = [*columns[:column], columns[column] + "0", *columns[column + 1 :]]
    chains = [Chain(book_id=BOOK_ID, shard=3, shards=16) for _ in range(2)]

    assert chains[0].follow(ChainRow._make(columns)) != chains[1].follow(ChainRow._make(changed))


def test_text_cannot_move_from_one_column_into_the_next() -> None:
    """Each field has its length in front: `ab`, `c` is not `a`, `bc`; empty is not NULL."""
    columns = VECTORS[2]["columns"]
    digests = set()
    for stream, version, entries in (("ab", "c", None), ("a", "bc", None), ("ab", "c", "")):
        row = [*columns[:3], stream, version, *columns[5:8], entries, *columns[9:]]
        chain = Chain(book_id=BOOK_ID, shard=3, shards=16)
        digests.add(chain.follow(ChainRow._make(row)))

    assert len(digests) == 3


@pytest.mark.parametrize(
    ("stored", "hashed"),
    [
        ("2026-11-23 12:00:00+00", "2026-11-23T12:00:00.000000Z"),
        ("2026-11-23 12:00:00.5+00", "2026-11-23T12:00:00.500000Z"),
        ("2026-11-23 12:00:00.000001+00", "2026-11-23T12:00:00.000001Z"),
        ("infinity", "infinity"),
        ("10000-01-01 00:00:00+00", "10000-01-01 00:00:00+00"),
        ("2026-11-23 21:00:00+09", "2026-11-23 21:00:00+09"),
        ("0044-03-15 00:00:00+00 BC", "0044-03-15 00:00:00+00 BC"),
    ],
)
def test_a_time_is_hashed_with_six_digits_in_utc(stored: str, hashed: str) -> None:
    """What is no such time stays as it is: no hash of ours can match it."""
    assert time_text(stored) == hashed
