"""What operators do with dead letters is an event of its own stream."""

from ledger.domain import dead_letter
from ledger.domain.change import Change
from ledger.domain.dead_letter import DeadLetterAct, DropDeadLetter, RequeueDeadLetter
from ledger.domain.events import DeadLetterDropped, DeadLetterRequeued
from tests.unit.ledger.domain.stories import LATER, NOW, TASK, TEXT, USER

LETTER = {
    "user_id": USER, "queue": "ledger.results", "message_id": "f3d1",
    "type": "generation.failed", "reason": "forged", "note": TEXT,
}  # fmt: skip
STREAM = f"deadletter-{TASK}"


def test_a_letter_given_back_is_kept_with_who_did_it_and_why() -> None:
    command = RequeueDeadLetter(act_id=TASK, **LETTER)
    changes = dead_letter.requeue_dead_letter(command)
    assert changes == [Change(command.stream, DeadLetterRequeued(**LETTER))]
    assert command.stream == STREAM


def test_a_letter_thrown_away_is_kept_with_who_did_it_and_why() -> None:
    changes = dead_letter.drop_dead_letter(DropDeadLetter(act_id=TASK, **LETTER))
    assert changes == [Change(STREAM, DeadLetterDropped(**LETTER))]


def test_an_act_is_its_event_and_when_it_was() -> None:
    event = DeadLetterDropped(**LETTER)
    state = dead_letter.evolve(None, event, NOW)
    assert state == DeadLetterAct(event=event, acted_at=NOW)
    assert dead_letter.evolve(state, event, LATER).acted_at == LATER
