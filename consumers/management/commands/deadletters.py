"""`deadletters list|show|requeue|drop`: what became of messages that nobody could handle."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from consumers.broker import Broker, BrokerError, fault_of
from consumers.connect import connect
from consumers.dead_letters import acts, shown
from consumers.dead_letters.connect import letters_of_broker
from consumers.dead_letters.letters import MOST_SEARCHED, Letter, Letters, chosen, origins
from consumers.topology import topology
from core.models import User
from ledger.orders import Position

LISTED, MOST_LISTED = 100, 10_000
log = structlog.get_logger(__name__)


class Command(BaseCommand):
    help = "Look at dead letters, give them back to their queue or drop them, as an operator."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        listing = actions.add_parser("list", help="print the first letters")
        listing.add_argument("--limit", type=int, default=LISTED, help="of each queue")
        listing.add_argument("--json", action="store_true", help="one object a line")
        show = actions.add_parser("show", help="print headers and body of a letter")
        show.add_argument("id", metavar="ID")
        show.add_argument("--reveal", action="store_true", help="with what people wrote, and links")
        again = actions.add_parser("requeue", help="give letters back to the queue they came from")
        again.add_argument("id", metavar="ID", nargs="?")
        again.add_argument("--all", action="store_true", help="every letter of --queue")
        again.add_argument("--reason", default="", help="is kept in the book")
        away = actions.add_parser("drop", help="throw a letter away")
        away.add_argument("id", metavar="ID")
        away.add_argument("--reason", required=True, help="is kept in the book")
        for one in (listing, show, again, away):
            one.add_argument("--by", required=True, metavar="OPERATOR", help="who does it")
            one.add_argument("--queue", help="look there alone")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do one act in the name of an operator."""
        served = origins(topology(settings.MODEL_FAMILIES))
        queues = {queue: served[queue] for queue in chosen(options["queue"], list(served))}
        if not queues:
            raise CommandError(f"There is no such queue; there are: {', '.join(served)}")
        try:
            case = Case(
                letters=letters_of_broker(),
                queues=queues,
                by=acts.operator(options["by"]),
                options=options,
                write=self.stdout.write,
            )
            ACTIONS[options["action"]](case)
        except (acts.NotAnOperator, BrokerError) as error:
            raise CommandError(str(error)) from error
        except acts.NotRecorded as refused:
            raise CommandError(f"The book refused it ({refused}): nothing was done.") from refused


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """What was asked for, by whom, and in which dead-letter queues, each with the one it serves."""

    letters: Letters
    queues: dict[str, str]
    by: User
    options: dict[str, Any]
    write: Callable[[str], Any]

    @contextmanager
    def found(self) -> Iterator[Letter]:
        """Give the first letter of the id that was asked for."""
        for queue in self.queues:
            with self.letters.letters(queue, limit=1, id=self.options["id"]) as found:
                for letter in found:
                    yield letter
                    return
        raise CommandError(f"There is no such letter among the first {MOST_SEARCHED}.")

    def log(self, event: str, letter: Letter, **facts: Any) -> None:
        """Say who did what to which letter."""
        named = {"queue": letter.queue, "message_id": acts.plain(letter.id)}
        log.warning(event, by=str(self.by.id), **named, **facts)


def list_letters(case: Case) -> None:
    """Print the first letters of each queue, a line each."""
    limit, listed = max(1, min(case.options["limit"], MOST_LISTED)), 0
    for queue in case.queues:
        with case.letters.letters(queue, limit=limit) as found:
            for letter in found:
                line = shown.line(letter, now=datetime.now(UTC))
                case.write(json.dumps(line) if case.options["json"] else shown.row(line))
                listed += 1
    log.info("dead_letters_listed", by=str(case.by.id), queues=[*case.queues], letters=listed)


def show_letter(case: Case) -> None:
    """Print the first letter of an id as JSON."""
    reveal = case.options["reveal"]
    with case.found() as letter:
        case.log("dead_letter_shown", letter, is_revealed=reveal)
        whole = shown.whole(letter, now=datetime.now(UTC), reveal=reveal)
        case.write(json.dumps(whole, indent=2))


def drop_letter(case: Case) -> None:
    """Throw the first letter of an id away."""
    with case.found() as letter:
        position = acts.drop(letter, case.letters, by=case.by, note=case.options["reason"])
        case.log("dead_letter_dropped", letter, position=str(position))
    case.write(f"Dropped; the book says so at {position}.")


def requeue_letters(case: Case) -> None:
    """Give back the first letter of an id, or every letter that a queue has now."""
    name, every = case.options["id"], case.options["all"]
    if bool(name) == every or (every and len(case.queues) != 1):
        raise CommandError("Say either ID, or --all with --queue.")
    broker = connect()
    try:
        if every:
            _requeue_all(case, broker)
        else:
            with case.found() as letter:
                position = _requeue(case, broker, letter)
            case.write(
                f"Given back to {case.queues[letter.queue]}; the book says so at {position}."
            )
    finally:
        broker.close()


def _requeue_all(case: Case, broker: Broker) -> None:
    (queue,) = case.queues
    given_back = left = 0
    try:
        limit = case.letters.counts([queue])[queue]
        with case.letters.letters(queue, limit=limit) as found:
            for letter in found:
                if fault_of(letter.revived()):
                    left += 1
                else:
                    _requeue(case, broker, letter)
                    given_back += 1
    finally:
        case.write(f"Given back to {case.queues[queue]}: {given_back}.")
    if left:
        case.write(f"Left, since no queue takes them as they are: {left}.")


def _requeue(case: Case, broker: Broker, letter: Letter) -> Position | None:
    position = acts.requeue(
        letter, case.letters, broker,
        queue=case.queues[letter.queue], by=case.by, note=case.options["reason"],
    )  # fmt: skip
    case.log("dead_letter_requeued", letter, position=str(position))
    return position


ACTIONS: dict[str, Callable[[Case], None]] = {
    "list": list_letters,
    "show": show_letter,
    "requeue": requeue_letters,
    "drop": drop_letter,
}
