"""The hash chain, computed in Python from docs/reference/book-format.md, not from the SQL."""

from hashlib import sha256
from struct import Struct
from typing import NamedTuple

FORMAT = "1"
NULL = b"\xff\xff\xff\xff"

_length = Struct(">I").pack


class ChainRow(NamedTuple):
    """One row of `event` in the order in which it is hashed; every value as the text hashed."""

    shard: str
    position: str
    event_id: str
    stream: str
    version: str
    type: str
    schema_version: str
    data: str
    entries: str | None
    metadata: str
    movement_key: str | None
    occurred_at: str
    recorded_at: str


def genesis_hash(*, book_id: str, shard: int, shards: int) -> bytes:
    """Return the 32 bytes at position 0 of `shard`."""
    return sha256(b"".join(map(_framed, (FORMAT, book_id, str(shard), str(shards))))).digest()


class Chain:
    """The chain of one shard: `follow` each row in order and compare what it returns."""

    __slots__ = ("_prefix", "hash")

    def __init__(self, *, book_id: str, shard: int, shards: int) -> None:
        self._prefix = _framed(FORMAT) + _framed(book_id) + _length(32)
        self.hash = genesis_hash(book_id=book_id, shard=shard, shards=shards)

    def follow(self, row: ChainRow) -> bytes:
        """Return the hash that `row` must have as the next event; the chain goes on from it."""
        parts = [self._prefix, self.hash]
        for value in row:
            if value is None:
                parts.append(NULL)
            else:
                content = value.encode()
                parts.append(_length(len(content)))
                parts.append(content)
        self.hash = sha256(b"".join(parts)).digest()
        return self.hash


def _framed(value: str) -> bytes:
    content = value.encode()
    return _length(len(content)) + content


def time_text(value: str) -> str:
    """Return PostgreSQL's ISO text of a UTC time as it is hashed: YYYY-MM-DDTHH:MM:SS.ffffffZ.

    Text that is no such time (`infinity`, a year past 9999) comes back unchanged.
    """
    if len(value) < 22 or value[10] != " " or not value.endswith("+00"):
        return value
    clock = value[11:-3]
    fraction = clock.ljust(15, "0") if len(clock) > 8 else clock + ".000000"
    return f"{value[:10]}T{fraction}Z"
