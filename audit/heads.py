"""`ledger heads`: the heads of the book as JSON, to be kept outside and expected later."""

import json
import re
from argparse import ArgumentParser
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from django.core.management.base import OutputWrapper

from audit import snapshot
from audit.errors import UsageError
from ledger.book.rows import Head

HELP = "print the heads as JSON, to keep outside: verify --expect-heads FILE finds them again"
FORMAT = 1
MAX_BYTES = 1_000_000

_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class KeptHeads:
    """Heads of one book, as they were when somebody kept them."""

    book_id: str
    shards: int
    heads: dict[int, Head]


def add_arguments(parser: ArgumentParser) -> None:
    """Take nothing: the answer is always JSON."""


def run(options: dict[str, Any], stdout: OutputWrapper) -> bool:
    """Print the heads of this moment."""
    taken = snapshot.take()
    stdout.write(as_json(KeptHeads(taken.book_id, taken.shards, taken.heads)))
    return True


def as_json(kept: KeptHeads) -> str:
    """Return the content of a file of kept heads."""
    heads = {
        str(shard): {"position": head.position, "hash": head.hash.hex()}
        for shard, head in sorted(kept.heads.items())
    }
    return (
        json.dumps(
            {"format": FORMAT, "book_id": kept.book_id, "shards": kept.shards, "heads": heads},
            indent=1,
        )
        + "\n"
    )


def write(path: Path, kept: KeptHeads) -> None:
    """Write `kept` to `path`, whole or not at all; raises UsageError where it cannot."""
    draft = path.with_name(f"{path.name}.draft")
    try:
        draft.write_text(as_json(kept))
        draft.replace(path)
    except OSError as error:
        raise UsageError(f"Cannot write {path}: {error.strerror}.") from error


def read(path: Path) -> KeptHeads:
    """Return the heads kept in the file at `path`; raises UsageError unless it holds such."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise UsageError(f"{path} is no file of heads: more than {MAX_BYTES} bytes.")
        return _parsed(orjson.loads(content))
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {error.strerror}.") from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{path} is no file of heads: {error!r}.") from error


def _parsed(values: Any) -> KeptHeads:
    if values["format"] != FORMAT:
        raise ValueError(f"format {values['format']!r}")
    heads = {int(shard): _head(**head) for shard, head in values["heads"].items()}
    if not heads:
        raise ValueError("no head at all")
    return KeptHeads(str(values["book_id"]), int(values["shards"]), heads)


def _head(*, position: int, hash: str) -> Head:
    if type(position) is not int or position < 0 or not _HASH.fullmatch(hash):
        raise ValueError(f"no head: {position!r} {hash!r}")
    return Head(position, bytes.fromhex(hash))
