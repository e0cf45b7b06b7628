"""Who and what the benches' commands are about: payers, artists, styles, and the commands.

People are counted, not stored: every process derives the same ids from their numbers.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from uuid import UUID

from core.ids import new_id, new_job_id, task_id
from ledger.book.append import append
from ledger.book.read import book, shard_of
from ledger.book.rows import NewEvent
from ledger.codec import encode
from ledger.domain.events import Sealed, StyleDrafted, StyleTrained
from ledger.domain.generation import CompleteGeneration, RequestGeneration, StartGeneration
from ledger.domain.style import style_stream
from ledger.domain.wallet import GrantTokens
from ledger.handlers import MOST_ORDERS, handle
from ledger.orders import Accepted, Context, Key, Order

PAYERS = 10_000
PRICE = 100
BUDGET = 1_000_000  # tokens of each payer: more than a bench can spend
SEALED_PROMPT = Sealed("Yk3v" * 48, UUID("019a0000-0000-7000-8000-0000000000ff"))  # ~110 letters
SHA256 = "ab" * 32
PAGE_OF_EVENTS = 400


class NotAccepted(AssertionError):
    """A command of a bench was refused: its rate would be one of refusals."""


@cache
def person(number: int, kind: str = "payer") -> UUID:
    """Return the id of a person by number; its last byte, hence its shard, is as good as random."""
    digest = hashlib.sha256(f"{kind} {number}".encode()).digest()
    return UUID(bytes=b"\x01\x9a" + digest[:14], version=5)


def payers_by_shard(payers: int = PAYERS) -> list[list[UUID]]:
    """Return the payers of each shard."""
    shards: list[list[UUID]] = [[] for _ in range(book().shards)]
    for number in range(payers):
        payer = person(number)
        shards[shard_of(payer)].append(payer)
    return shards


def style_of(artist: UUID) -> UUID:
    """Return the one style of an artist."""
    return UUID(bytes=hashlib.sha256(artist.bytes).digest()[:15] + artist.bytes[15:], version=5)


def order(command: object, actor: UUID) -> Order:
    """Return `command` as an order with a fresh key, as REST gives them."""
    scope, key = f"user/{actor}", str(new_id())
    fingerprint = hashlib.sha256(key.encode()).hexdigest()
    return Order(
        command,  # type: ignore[arg-type]  # every command of the domain has a stream
        Context(actor=scope, key=Key(scope=scope, key=key, fingerprint=fingerprint)),
    )


def request(payer: UUID, artist: UUID, prompt: Sealed = SEALED_PROMPT) -> Order:
    """Return the order of a picture; the default prompt can be opened by nobody."""
    generation = new_job_id(payer)
    command = RequestGeneration(
        generation_id=generation,
        user_id=payer,
        style_id=style_of(artist),
        task_id=task_id(generation, 1),
        prompt=prompt,
        seed=7,
    )
    return order(command, payer)


def start(generation: UUID) -> Order:
    """Return the report that a worker has begun; its claim is the generation's own id."""
    command = StartGeneration(
        generation_id=generation,
        task_id=task_id(generation, 1),
        claim=generation,
        worker_id=None,
        sequence=1,
    )
    return Order(command, Context(actor="worker"))


def complete(generation: UUID) -> Order:
    """Return the report that the picture is stored, with its callback's id as the key."""
    command = CompleteGeneration(
        generation_id=generation,
        task_id=task_id(generation, 1),
        claim=generation,
        worker_id=None,
        sequence=2,
        key=f"results/{generation}/{SHA256}",
        sha256=SHA256,
        bytes=400_000,
        content_type="image/png",
        width=512,
        height=512,
    )
    return order(command, generation)


def accepted(orders: Sequence[Order]) -> list[Accepted]:
    """Send `orders` through the door; raises NotAccepted unless each changed something."""
    results = handle(orders)
    good = [result for result in results if isinstance(result, Accepted) and is_news(result)]
    if len(good) != len(orders):
        bad = next(result for result in results if result not in good)
        raise NotAccepted(repr(bad))
    return good


def is_news(result: Accepted) -> bool:
    """Return whether the command changed the book, and not a twin of it before."""
    return result.position is not None and not result.replayed


def in_batches(orders: Sequence[Order]) -> None:
    """Have `orders` accepted, by shard in batches as large as the door takes."""
    by_shard: defaultdict[int, list[Order]] = defaultdict(list)
    for each in orders:
        by_shard[shard_of(each.shard_id)].append(each)
    for listed in by_shard.values():
        for first in range(0, len(listed), MOST_ORDERS):
            accepted(listed[first : first + MOST_ORDERS])


def open_wallets(payers: Sequence[UUID]) -> None:
    """Give every payer BUDGET tokens."""
    grants = [
        GrantTokens(
            grant_id=new_id(payer), user_id=payer, amount=BUDGET, colour="paid", reason="bench"
        )
        for payer in payers
    ]
    in_batches([order(grant, grant.user_id) for grant in grants])


def train_styles(artists: Sequence[UUID]) -> None:
    """Give every artist a trained style, by events alone: how it was trained does not matter."""
    by_shard: defaultdict[int, list[NewEvent]] = defaultdict(list)
    for artist in artists:
        by_shard[shard_of(artist)] += _trained(artist)
    for shard, events in by_shard.items():
        for first in range(0, len(events), PAGE_OF_EVENTS):
            append(shard=shard, outcomes=[], events=events[first : first + PAGE_OF_EVENTS])


def _trained(artist: UUID) -> list[NewEvent]:
    stream = style_stream(style_of(artist))
    drafted = StyleDrafted(
        artist_id=artist, name=SEALED_PROMPT, description=None, price=PRICE, tags=()
    )
    trained = StyleTrained(
        artist_id=artist,
        training_id=new_id(artist),
        model_key=f"models/{artist}",
        model_sha256=SHA256,
        model_bytes=9,
        model_family=None,
        image_count=10,
    )
    return [
        NewEvent(
            new_id(artist), stream, version, *encode(event), None, '{"actor":"bench"}', None,
            datetime.now(UTC),
        )
        for version, event in enumerate((drafted, trained), start=1)
    ]  # fmt: skip
