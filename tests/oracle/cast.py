"""Who and what a schedule is about: people, ids, and the commands that set the scene.

Ids are counted, not drawn, so that a schedule that is run again has the same jitter; only their
first bytes are fresh, so that many schedules share one database.
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from itertools import count
from typing import Any
from uuid import UUID

from core.ids import task_id
from ledger.domain.dataset import AddImage
from ledger.domain.events import Sealed
from ledger.domain.generation import RequestGeneration
from ledger.domain.style import DraftStyle
from ledger.domain.training import CompleteTraining, RequestTraining, StartTraining
from ledger.domain.wallet import GrantTokens
from tests.oracle.world import LEAST_IMAGES, TRAINING_COST

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SEALED = Sealed("c2VhbGVk", UUID("019a0000-0000-7000-8000-0000000000ff"))
SHA256 = "ab" * 32


def jitter(task: UUID) -> float:
    """Return the part of the largest jitter that a task's job gets: the ledger reads it there."""
    return int.from_bytes(task.bytes[9:13]) / 2**32


class Ids:
    """Counted ids of one schedule."""

    def __init__(self) -> None:
        self._fresh, self._numbers = os.urandom(6), count(1)

    def new(self, owner: UUID | int) -> UUID:
        """Return the next id in the shard of `owner`, or in the numbered shard."""
        number = next(self._numbers)
        drawn = sha256(number.to_bytes(4)).digest()[:4]
        shard = owner if isinstance(owner, int) else owner.bytes[15]
        return UUID(
            bytes=self._fresh + bytes([0x70, number >> 8, 0x80]) + drawn
            + bytes([number & 255, 0, shard])
        )  # fmt: skip


class Cast:
    """An artist with a trained style and a draft, and two customers."""

    def __init__(self) -> None:
        self.ids = Ids()
        first = os.urandom(1)[0]
        self.artist = self.ids.new(first)
        self.ann = self.ids.new(first)
        self.ben = self.ids.new((first + 1) % 256)
        self.people = (self.ann, self.ben, self.artist)
        self.workers = (self.ids.new(0), self.ids.new(1))
        self.trained, self.draft = self.ids.new(self.artist), self.ids.new(self.artist)
        self.styles = (self.trained, self.draft)

    def accounts(self) -> Iterator[str]:
        """Yield every account that these people have."""
        for person in self.people:
            yield from (f"user/{person}/available", f"user/{person}/held")
            yield from (f"artist/{person}/{one}" for one in ("pending", "earned", "payout"))

    def scene(self) -> list[Any]:
        """Return the commands by which a schedule begins: some of the artist's shard, one batch."""
        training = self.training(self.trained)
        told: dict[str, Any] = {
            "training_id": training.training_id, "style_id": self.trained,
            "task_id": training.task_id, "claim": self.ids.new(0), "worker_id": self.workers[0],
        }  # fmt: skip
        return [
            *self._drafted(self.trained, 137),
            *self._drafted(self.draft, 10),
            self.grant(self.artist, 3 * TRAINING_COST),
            training,
            StartTraining(**told, sequence=1),
            CompleteTraining(
                **told, sequence=2, key="models/1", sha256=SHA256, bytes=9,
                content_type="application/octet-stream",
            ),
            self.grant(self.ann, 500),
            self.grant(self.ann, 150, "promo@2026-11-24"),
            self.grant(self.ann, 100, "promo"),
            self.grant(self.ben, 1_000),
        ]  # fmt: skip

    def grant(self, user: UUID, amount: int, colour: str = "paid") -> GrantTokens:
        """Return the command that mints."""
        return GrantTokens(
            grant_id=self.ids.new(user), user_id=user, amount=amount, colour=colour, reason="test"
        )

    def training(self, style: UUID) -> RequestTraining:
        """Return the order of a training."""
        training_id = self.ids.new(self.artist)
        return RequestTraining(
            training_id=training_id, style_id=style, artist_id=self.artist,
            task_id=task_id(training_id, 1), seed=7,
        )  # fmt: skip

    def generation(self, user: UUID, style: UUID, **given: Any) -> RequestGeneration:
        """Return the order of a picture."""
        generation_id = self.ids.new(user)
        return RequestGeneration(
            generation_id=generation_id, user_id=user, style_id=style,
            task_id=task_id(generation_id, 1), prompt=SEALED, seed=1, **given,
        )  # fmt: skip

    def image(self, style: UUID) -> AddImage:
        """Return the command that adds a training image, a new one each time."""
        image_id = self.ids.new(self.artist)
        return AddImage(
            style_id=style, artist_id=self.artist, image_id=image_id, key=f"images/{image_id}",
            sha256=image_id.hex * 2, bytes=5, content_type="image/png", width=512, height=512,
        )  # fmt: skip

    def _drafted(self, style: UUID, price: int) -> list[Any]:
        draft = DraftStyle(style_id=style, artist_id=self.artist, name=SEALED, price=price)
        return [draft, *(self.image(style) for _ in range(LEAST_IMAGES))]
