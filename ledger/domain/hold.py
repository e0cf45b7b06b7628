"""Holds: tokens set aside for a job, and their way out of it (G4, G5)."""

from datetime import datetime
from uuid import UUID

from ledger.domain import money
from ledger.domain.change import Change
from ledger.domain.events import HoldCaptured, HoldReleased, TokensHeld
from ledger.domain.money import Colours, Entry, Split
from ledger.domain.wallet import expire_tokens


def hold(*, stream: str, user_id: UUID, colours: Colours) -> Change:
    """Set `colours` aside for the job of `stream`."""
    event = TokensHeld(user_id=user_id, amount=money.total(colours), colours=colours)
    entries = money.moved(money.available(user_id), money.held(user_id), colours)
    return Change(stream, event, "hold", entries)


def capture(*, stream: str, event: HoldCaptured) -> Change:
    """Pay the whole hold out by the split of `event`; expiring colours become promo."""
    entries = [
        Entry(money.held(event.user_id), colour, -amount) for colour, amount in event.colours
    ]
    entries += lasting_swap(event.colours)
    entries += _shares(artist_id=event.artist_id, split=event.split)
    return Change(stream, event, "capture", tuple(entries))


def release(
    *, stream: str, user_id: UUID, colours: Colours, reason: str, now: datetime
) -> list[Change]:
    """Give the whole hold back; what has expired meanwhile leaves the wallet after it."""
    event = HoldReleased(
        user_id=user_id, amount=money.total(colours), colours=colours, reason=reason
    )
    entries = money.moved(money.held(user_id), money.available(user_id), colours)
    expiries = expire_tokens(user_id=user_id, colours=colours, met_by=stream, now=now)
    return [Change(stream, event, "release", entries), *expiries]


def lasting_swap(colours: Colours) -> list[Entry]:
    """Return the entries of a capture that swap expiring colours for promo, through issuance."""
    swapped = [item for item in colours if money.is_expiring(item[0])]
    if not swapped:
        return []
    back = [Entry(money.ISSUANCE, colour, amount) for colour, amount in swapped]
    return [*back, Entry(money.ISSUANCE, money.PROMO, -money.total(tuple(swapped)))]


def _shares(*, artist_id: UUID | None, split: Split) -> list[Entry]:
    """Return the entries that credit artist and platform; without an artist all is revenue."""
    shares: list[Entry] = []
    for colour, artist_part, fee in split:
        if artist_id is not None and artist_part:
            shares.append(Entry(money.pending(artist_id), colour, artist_part))
        if fee:
            shares.append(Entry(money.REVENUE, colour, fee))
    return shares
