"""What all events share: the base class, and text that can be erased."""

from dataclasses import dataclass
from uuid import UUID


class Event:
    """An immutable fact, named in the past tense; every event is a frozen dataclass of this.

    Fields are str, int, bool, UUID, datetime (aware), None, tuples of these, or Sealed.
    Personal text is Sealed; no URL, secret or e-mail address is ever a field.
    Every event names the person it belongs to, so that no reader needs another shard.
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Sealed:
    """Personal text, encrypted (base64) under the person's key named `key` (G14)."""

    sealed: str
    key: UUID
