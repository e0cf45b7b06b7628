"""What people do around the pictures: streams post-, like-, comment- and follow-<uuid>."""

from dataclasses import dataclass
from uuid import UUID

from ledger.domain.events.base import Event, Sealed


@dataclass(frozen=True, kw_only=True, slots=True)
class PostPublished(Event):
    """A completed generation is shown to everyone, with its result and its credit."""

    user_id: UUID
    generation_id: UUID
    style_id: UUID
    artist_id: UUID
    key: str
    sha256: str
    caption: Sealed | None
    prompt: Sealed | None
    tags: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class PostUnpublished(Event):
    """The post is gone; `reason` is `owner` or an operator's code."""

    user_id: UUID
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PostLiked(Event):
    """A user likes a post."""

    user_id: UUID
    post_id: UUID
    author_id: UUID


@dataclass(frozen=True, kw_only=True, slots=True)
class PostUnliked(Event):
    """A user likes a post no longer."""

    user_id: UUID
    post_id: UUID
    author_id: UUID


@dataclass(frozen=True, kw_only=True, slots=True)
class CommentWritten(Event):
    """A user wrote under a post; a reply names the comment it answers."""

    user_id: UUID
    post_id: UUID
    author_id: UUID
    parent_id: UUID | None
    parent_user_id: UUID | None
    text: Sealed


@dataclass(frozen=True, kw_only=True, slots=True)
class CommentEdited(Event):
    """The comment has a new text."""

    user_id: UUID
    post_id: UUID
    text: Sealed


@dataclass(frozen=True, kw_only=True, slots=True)
class CommentRemoved(Event):
    """The comment is gone; `reason` is `owner` or an operator's code."""

    user_id: UUID
    post_id: UUID
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ArtistFollowed(Event):
    """A user follows an artist."""

    user_id: UUID
    artist_id: UUID


@dataclass(frozen=True, kw_only=True, slots=True)
class ArtistUnfollowed(Event):
    """A user follows an artist no longer."""

    user_id: UUID
    artist_id: UUID
