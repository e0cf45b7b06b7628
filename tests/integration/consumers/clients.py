"""Clients that send commands, and what becomes of their messages."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from consumers.broker import Delivery, Message, Settlement
from consumers.commands import take_commands
from consumers.topology import COMMANDS
from core.ids import new_id
from core.keys import issue
from core.models import Role, User
from tests.jobs import balance, give, granted


class Client:
    """An account with an API key; `shard` fixes the last byte of its id."""

    def __init__(
        self,
        name: str = "",
        role: str = Role.USER,
        *,
        tokens: int = 0,
        shard: int | None = None,
        scopes: Sequence[str] = (),
    ) -> None:
        name, drawn = name or f"client-{uuid4().hex[:12]}", new_id()
        number = drawn if shard is None else UUID(bytes=drawn.bytes[:15] + bytes([shard]))
        self.user = User.objects.create(
            id=number, username=name, email=f"{name}@example.org", role=role
        )
        _, self.key = issue(self.user, scopes=scopes)
        self.headers: dict[str, str | int] = {"authorization": f"Bearer {self.key}"}
        if tokens:
            give(granted(self.user.id, tokens))

    @property
    def id(self) -> UUID:
        return self.user.id

    @property
    def paid(self) -> int:
        """What the client can spend."""
        return balance(self.id)[0]

    def message(self, type_: str, given: Any = None, /, **changes: Any) -> Message:
        """Return a message that asks for a command; `given` are its fields, or its body."""
        body = given if isinstance(given, bytes) else json.dumps({"version": 1} | given).encode()
        known = {"id": str(uuid4()), "type": type_, "body": body, "headers": self.headers}
        return Message(**known | changes)

    def transfer(self, to: "Client", amount: int = 1, **changes: Any) -> Message:
        """Return a message that asks for a transfer."""
        given = {"recipient_id": str(to.id), "amount": amount}
        return self.message("tokens.transfer", given, **changes)


class Taken:
    """What a batch of messages became: how each was settled, and the answers in their order."""

    def __init__(self, *messages: Message) -> None:
        self.settled: dict[str, Settlement] = {}
        self.answers: list[tuple[str, Message]] = []
        deliveries = [
            Delivery(queue=COMMANDS, message=message, attempts=0, settle=self._settle)
            for message in messages
        ]
        take_commands(deliveries, answer=self.answers.extend)
        assert all(delivery.is_settled for delivery in deliveries)

    def _settle(self, delivery: Delivery, settlement: Settlement) -> None:
        self.settled[delivery.message.id] = settlement

    @property
    def only(self) -> Settlement:
        """How the only message was settled."""
        (settlement,) = self.settled.values()
        return settlement

    @property
    def told(self) -> dict[str, Any]:
        """What the only answer says."""
        ((_, answer),) = self.answers
        return said(answer)


def said(answer: Message) -> dict[str, Any]:
    """Return what an answer says."""
    found: dict[str, Any] = json.loads(answer.body)
    return found


ACK = Settlement(verdict="ack")


def dead(reason: str) -> Settlement:
    """Return how what is put aside is settled."""
    return Settlement(verdict="dead_letter", reason=reason)
