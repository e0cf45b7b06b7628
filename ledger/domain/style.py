"""Styles: what an artist offers, at which price, and whether it takes orders."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from ledger.domain.change import Change
from ledger.domain.errors import (
    IdTaken,
    NotTheOwner,
    PriceOutOfRange,
    StyleInactive,
    StyleNotTrained,
    UnknownStyle,
)
from ledger.domain.events import (
    Event,
    Sealed,
    StyleDeactivated,
    StyleDescribed,
    StyleDrafted,
    StylePriced,
    StyleReactivated,
    StyleRenamed,
    StyleTagged,
    StyleTrained,
)
from ledger.domain.terms import Terms


@dataclass(frozen=True, kw_only=True, slots=True)
class StyleState:
    """A style, folded from its stream; `model` is None until it is trained."""

    artist_id: UUID
    name: Sealed
    description: Sealed | None
    price: int
    tags: tuple[str, ...]
    drafted_at: datetime
    revised_at: datetime
    model: StyleTrained | None = None
    is_active: bool = True

    @property
    def is_public(self) -> bool:
        """Whether everyone sees the style and can order in it."""
        return self.is_active and self.model is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class StyleCommand:
    """An artist's command for one of their styles."""

    style_id: UUID
    artist_id: UUID

    @property
    def stream(self) -> str:
        """The style's stream."""
        return style_stream(self.style_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class DraftStyle(StyleCommand):
    """Begin a style; without a price it has the default one."""

    name: Sealed
    description: Sealed | None = None
    price: int | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ReviseStyle(StyleCommand):
    """Rename, describe, price or tag a style: what is None stays as it is."""

    name: Sealed | None = None
    description: Sealed | None = None
    price: int | None = None
    tags: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DeactivateStyle(StyleCommand):
    """Take no more orders; jobs that run go on."""

    reason: str = "owner"


@dataclass(frozen=True, kw_only=True, slots=True)
class ReactivateStyle(StyleCommand):
    """Take orders again."""


def style_stream(style_id: UUID) -> str:
    """Return the stream of a style."""
    return f"style-{style_id}"


def evolve(state: StyleState | None, event: Event, at: datetime) -> StyleState | None:
    """Return the style after `event`, which occurred `at`."""
    match event:
        case StyleDrafted():
            return StyleState(
                artist_id=event.artist_id,
                name=event.name,
                description=event.description,
                price=event.price,
                tags=event.tags,
                drafted_at=at,
                revised_at=at,
            )
        case _ if state is None:
            return None
        case StyleRenamed():
            return replace(state, name=event.name, revised_at=at)
        case StyleDescribed():
            return replace(state, description=event.description, revised_at=at)
        case StylePriced():
            return replace(state, price=event.price, revised_at=at)
        case StyleTagged():
            return replace(state, tags=event.tags, revised_at=at)
        case StyleTrained():
            return replace(state, model=event, revised_at=at)
        case StyleDeactivated():
            return replace(state, is_active=False, revised_at=at)
        case StyleReactivated():
            return replace(state, is_active=True, revised_at=at)
        case _:
            return state


def owned(style: StyleState | None, *, artist_id: UUID) -> StyleState:
    """Return `style` to its owner; raise NotTheOwner, or UnknownStyle where it is not public."""
    if style is None or (style.artist_id != artist_id and not style.is_public):
        raise UnknownStyle
    if style.artist_id != artist_id:
        raise NotTheOwner
    return style


def orderable(style: StyleState | None, *, user_id: UUID) -> tuple[StyleState, StyleTrained]:
    """Return the style and its model to anyone who may order in it.

    Raises UnknownStyle (also for another artist's draft), StyleInactive, StyleNotTrained.
    """
    if style is None or (style.model is None and style.artist_id != user_id):
        raise UnknownStyle
    if not style.is_active:
        raise StyleInactive
    if style.model is None:
        raise StyleNotTrained
    return style, style.model


def check_price(price: int, *, terms: Terms) -> int:
    """Return `price` in tokens, or raise PriceOutOfRange."""
    if not terms.min_price <= price <= terms.max_price:
        raise PriceOutOfRange(minimum=terms.min_price, maximum=terms.max_price)
    return price


def draft_style(command: DraftStyle, *, terms: Terms, style: StyleState | None) -> list[Change]:
    """Begin a style. Raises PriceOutOfRange."""
    if style is not None:
        raise IdTaken
    price = terms.default_price if command.price is None else command.price
    event = StyleDrafted(
        artist_id=command.artist_id,
        name=command.name,
        description=command.description,
        price=check_price(price, terms=terms),
        tags=command.tags,
    )
    return [Change(command.stream, event)]


def revise_style(command: ReviseStyle, *, terms: Terms, style: StyleState | None) -> list[Change]:
    """Change what is given; pinned prices of running jobs stay.

    Raises UnknownStyle, NotTheOwner, PriceOutOfRange.
    """
    style = owned(style, artist_id=command.artist_id)
    artist_id = style.artist_id
    events: list[Event] = []
    if command.name is not None:
        events.append(StyleRenamed(artist_id=artist_id, name=command.name))
    if command.description is not None:
        events.append(StyleDescribed(artist_id=artist_id, description=command.description))
    if command.price is not None and command.price != style.price:
        price = check_price(command.price, terms=terms)
        events.append(StylePriced(artist_id=artist_id, price=price))
    if command.tags is not None and command.tags != style.tags:
        events.append(StyleTagged(artist_id=artist_id, tags=command.tags))
    return [Change(command.stream, event) for event in events]


def deactivate_style(command: DeactivateStyle, *, style: StyleState | None) -> list[Change]:
    """Stop orders; a second time changes nothing. Raises UnknownStyle, NotTheOwner."""
    style = owned(style, artist_id=command.artist_id)
    if not style.is_active:
        return []
    event = StyleDeactivated(artist_id=style.artist_id, reason=command.reason)
    return [Change(command.stream, event)]


def reactivate_style(command: ReactivateStyle, *, style: StyleState | None) -> list[Change]:
    """Allow orders again; a second time changes nothing. Raises UnknownStyle, NotTheOwner."""
    style = owned(style, artist_id=command.artist_id)
    if style.is_active:
        return []
    return [Change(command.stream, StyleReactivated(artist_id=style.artist_id))]
