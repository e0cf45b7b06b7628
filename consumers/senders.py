"""Who sent a command: proven by an API key, or by the broker's word for its own user."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings

from consumers.broker import Message
from core.keys import authenticate_many
from core.models import User

HEADER = "authorization"  # `Bearer tl_...`, as over HTTP


@dataclass(frozen=True, slots=True)
class Sender:
    """A person who proved to have sent a message, and whether the proof is good for writing."""

    user: User
    may_write: bool


class Unproven(Exception):
    """Nobody proved to have sent the message; the text is a code that says why."""


def prove(messages: Sequence[Message]) -> list[Sender | Unproven]:
    """Return for each message who sent it, or why nobody may be believed; at most two queries."""
    by_key = authenticate_many({key for message in messages if (key := _key(message))})
    names = {settings.COMMAND_SENDERS.get(message.sender, "") for message in messages} - {""}
    mapped = User.objects.filter(username__in=names, is_active=True) if names else ()
    by_name = {user.username: Sender(user, may_write=True) for user in mapped}
    senders = {
        key: Sender(user, may_write="write" in credential.scopes)
        for key, (user, credential) in by_key.items()
    }
    return [
        _sender(
            message,
            senders.get(_key(message)),
            by_name.get(settings.COMMAND_SENDERS.get(message.sender, "")),
        )
        for message in messages
    ]


def _sender(message: Message, by_key: Sender | None, by_broker: Sender | None) -> Sender | Unproven:
    """Return whom the proofs of one message agree on; a key that is sent must be a good one."""
    if HEADER in message.headers and by_key is None:
        return Unproven("invalid_api_key")
    if by_key and by_broker and by_key.user.id != by_broker.user.id:
        return Unproven("another_actor")
    return by_key or by_broker or Unproven("not_proven")


def _key(message: Message) -> str:
    scheme, _, key = str(message.headers.get(HEADER, "")).partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""
