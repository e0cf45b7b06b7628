"""A generation as pyeventsourcing's own documentation would have one write it."""

from datetime import datetime
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

SHA256 = "ab" * 32


class Generation(Aggregate):
    """The five events of a generation that was ordered, begun, stored and paid."""

    class Requested(Aggregate.Created):
        user_id: UUID
        style_id: UUID
        artist_id: UUID
        task_id: UUID
        prompt: str
        size: str
        steps: int
        seed: int
        model_key: str
        model_sha256: str
        price: int
        fee_bps: int
        start_by_at: datetime
        deadline_at: datetime

    @event(Requested)
    def __init__(
        self, user_id: UUID, style_id: UUID, artist_id: UUID, task_id: UUID, prompt: str,
        size: str, steps: int, seed: int, model_key: str, model_sha256: str, price: int,
        fee_bps: int, start_by_at: datetime, deadline_at: datetime,
    ) -> None:  # fmt: skip
        self.user_id, self.artist_id, self.price = user_id, artist_id, price
        self.status = "queued"

    @event("Held")
    def hold(self, user_id: UUID, amount: int, entries: list[list[object]]) -> None:
        self.held = amount

    @event("Started")
    def start(
        self, user_id: UUID, task_id: UUID, claim: UUID, sequence: int, leased_until_at: datetime
    ) -> None:
        self.status = "processing"

    @event("Completed")
    def complete(
        self, user_id: UUID, style_id: UUID, artist_id: UUID, task_id: UUID, claim: UUID, key: str,
        sha256: str, size_bytes: int, content_type: str, width: int, height: int,
    ) -> None:  # fmt: skip
        self.status = "completed"

    @event("Captured")
    def capture(
        self, user_id: UUID, artist_id: UUID, amount: int, entries: list[list[object]],
        refundable_until_at: datetime,
    ) -> None:  # fmt: skip
        self.held = 0


class Generations(Application):
    """The application whose notification log is read, a thousand at a time."""

    log_section_size = 1_000
