"""A style and its price: streams style-<uuid>, owner is the artist."""

from dataclasses import dataclass
from uuid import UUID

from ledger.domain.events.base import Event, Sealed


@dataclass(frozen=True, kw_only=True, slots=True)
class StyleDrafted(Event):
    """An artist began a style; a picture in it costs `price` tokens."""

    artist_id: UUID
    name: Sealed
    description: Sealed | None
    price: int
    tags: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class StyleRenamed(Event):
    """The style has a new name."""

    artist_id: UUID
    name: Sealed


@dataclass(frozen=True, kw_only=True, slots=True)
class StyleDescribed(Event):
    """The style has a new description."""

    artist_id: UUID
    description: Sealed


@dataclass(frozen=True, kw_only=True, slots=True)
class StylePriced(Event):
    """A picture in this style costs `price` tokens from now on."""

    artist_id: UUID
    price: int


@dataclass(frozen=True, kw_only=True, slots=True)
class StyleTagged(Event):
    """The style has these tags and no others."""

    artist_id: UUID
    tags: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class StyleTrained(Event):
    """The style has a model, which workers of its family can paint with: active and public."""

    artist_id: UUID
    training_id: UUID
    model_key: str
    model_sha256: str
    model_bytes: int
    model_family: str | None
    image_count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class StyleDeactivated(Event):
    """The style takes no more orders; `reason` is a code such as `owner` or `takedown`."""

    artist_id: UUID
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class StyleReactivated(Event):
    """The style takes orders again."""

    artist_id: UUID
