"""An operator's acts on dead letters: recorded in the book first, then done.

A crash before the end leaves the letter where it is: it may be given back twice, never lost, and
nothing is done that is not recorded.
"""

import hashlib
import re
from uuid import UUID

from consumers.broker import Broker, fault_of
from consumers.dead_letters.letters import Letter, Letters
from core.ids import new_id
from core.models import Role, User
from core.sealing import seal
from ledger.domain.dead_letter import DeadLetterCommand, DropDeadLetter, RequeueDeadLetter
from ledger.domain.events import Sealed
from ledger.handlers import handle
from ledger.orders import Context, Order, Position, Refused

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,254}", re.ASCII)


class NotAnOperator(Exception):
    """There is no active operator of this name."""


class NotRecorded(Exception):
    """The book did not take the act, so nothing was done; `str` is the refusal's code."""


def operator(name: str) -> User:
    """Return the active operator of that name; raises NotAnOperator."""
    found = User.objects.filter(username__iexact=name, role=Role.OPERATOR, is_active=True).first()
    if found is None:
        raise NotAnOperator(NotAnOperator.__doc__)
    return found


def requeue(
    letter: Letter, letters: Letters, broker: Broker, *, queue: str, by: User, note: str
) -> Position | None:
    """Give a letter back to `queue`, where it was before; return where the book says so.

    It is taken from the dead once the broker has stored it there. Raises NotRecorded, and a
    BrokerError: Refused before anything is recorded for what no queue takes.
    """
    message = letter.revived()
    if fault := fault_of(message):
        raise fault
    position = _record(RequeueDeadLetter, letter, by, note)
    broker.publish(queue, message)
    letters.remove(letter)
    return position


def drop(letter: Letter, letters: Letters, *, by: User, note: str) -> Position | None:
    """Throw a letter away; return where the book says so. Raises NotRecorded, BrokerError."""
    position = _record(DropDeadLetter, letter, by, note)
    letters.remove(letter)
    return position


def plain(text: str) -> str:
    """Return what a stranger may have written in a form that the book can keep.

    Whatever might be more than an id or a code is named by its SHA-256: it could be personal.
    """
    if not text or _PLAIN.fullmatch(text):
        return text
    return f"sha256:{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()}"


def _record(kind: type[DeadLetterCommand], letter: Letter, by: User, note: str) -> Position | None:
    command = kind(
        act_id=new_id(by.id),
        user_id=by.id,
        queue=letter.queue,
        message_id=plain(letter.id),
        type=plain(letter.message.type),
        reason=plain(letter.reason.replace(" ", "_")),
        note=_sealed(by.id, note),
    )
    (result,) = handle([Order(command, Context(actor=f"user/{by.id}"))])
    if isinstance(result, Refused):
        raise NotRecorded(result.error.code)
    return result.position


def _sealed(user_id: UUID, note: str) -> Sealed | None:
    return Sealed(*seal(user_id, note)) if note else None
