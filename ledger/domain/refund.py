"""After the capture: a picture's price goes back whole, or the artist's part is earned for good."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from ledger.domain import money
from ledger.domain.change import Change
from ledger.domain.errors import AlreadyRefunded, NotRefundable, RefundTooLate, UnknownGeneration
from ledger.domain.events import EarningsCleared, GenerationRefunded, HoldCaptured, Sealed
from ledger.domain.generation import GenerationState, generation_stream
from ledger.domain.hold import lasting_swap
from ledger.domain.money import Entry
from ledger.domain.terms import Terms
from ledger.domain.wallet import expire_tokens

PENDING = "pending"  # the artist gives their part back
GOODWILL = "goodwill"  # the platform stands in for the artist


@dataclass(frozen=True, kw_only=True, slots=True)
class RefundGeneration:
    """Give the price of a picture back; `reason` is a code such as `broken_image`."""

    generation_id: UUID
    reason: str
    note: Sealed | None = None

    @property
    def stream(self) -> str:
        """The generation's stream."""
        return generation_stream(self.generation_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class ClearEarnings:
    """The refund window of a picture is over: the artist has earned their part."""

    generation_id: UUID

    @property
    def stream(self) -> str:
        """The generation's stream."""
        return generation_stream(self.generation_id)


def refund_generation(
    command: RefundGeneration, *, now: datetime, terms: Terms, generation: GenerationState | None
) -> list[Change]:
    """Give the whole price back in the colours it came in, once (I8, I11).

    Inside the window the artist's part comes out of pending, later out of goodwill.
    Raises UnknownGeneration, NotRefundable, AlreadyRefunded, RefundTooLate.
    """
    if generation is None:
        raise UnknownGeneration
    capture, captured_at = generation.captured, generation.job.ended_at
    if capture is None or captured_at is None:
        raise NotRefundable(status=generation.job.status.value)
    if generation.refund is not None:
        raise AlreadyRefunded
    if now > captured_at + timedelta(seconds=terms.goodwill_seconds):
        raise RefundTooLate
    source = _source(generation, capture, now)
    event = GenerationRefunded(
        user_id=capture.user_id,
        style_id=capture.style_id,
        artist_id=generation.request.artist_id,
        amount=capture.amount,
        colours=capture.colours,
        split=capture.split,
        source=source,
        reason=command.reason,
        note=command.note,
    )
    entries = _refund_entries(capture, artist_id=generation.request.artist_id, source=source)
    expiries = expire_tokens(
        user_id=capture.user_id, colours=capture.colours, met_by=command.stream, now=now
    )
    return [Change(command.stream, event, "refund", entries), *expiries]


def _source(generation: GenerationState, capture: HoldCaptured, now: datetime) -> str:
    until = capture.refundable_until_at
    is_pending = generation.cleared is None and until is not None and now <= until
    return PENDING if is_pending else GOODWILL


def _refund_entries(capture: HoldCaptured, *, artist_id: UUID, source: str) -> tuple[Entry, ...]:
    giver = money.pending(artist_id) if source == PENDING else money.GOODWILL
    entries = [
        Entry(money.available(capture.user_id), colour, amount)
        for colour, amount in capture.colours
    ]
    entries += [
        Entry(one.account, one.colour, -one.amount) for one in lasting_swap(capture.colours)
    ]
    for colour, artist_part, fee in capture.split:
        entries += [
            Entry(account, colour, -part)
            for account, part in ((giver, artist_part), (money.REVENUE, fee))
            if part
        ]
    return tuple(entries)


def clear_earnings(
    command: ClearEarnings, *, now: datetime, generation: GenerationState | None
) -> list[Change]:
    """Move the artist's part from pending to earned; nothing when it is not due, gone, or done."""
    capture = generation.captured if generation else None
    if generation is None or capture is None or generation.cleared is not None:
        return []
    if generation.refund is not None and generation.refund.source == PENDING:
        return []
    if capture.clears_at is None or now < capture.clears_at:
        return []
    colours = tuple((colour, part) for colour, part, _ in capture.split if part)
    if not colours:
        return []
    artist_id = generation.request.artist_id
    event = EarningsCleared(
        artist_id=artist_id,
        style_id=capture.style_id,
        user_id=capture.user_id,
        amount=money.total(colours),
        colours=colours,
    )
    entries = money.moved(money.pending(artist_id), money.earned(artist_id), colours)
    return [Change(command.stream, event, "clear", entries)]
