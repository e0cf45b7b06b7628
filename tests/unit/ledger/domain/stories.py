"""What the domain's tests begin with: people, times, and things as their events leave them."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from ledger.domain import attempt, cancel, dataset, generation, late, money, style, training
from ledger.domain.attempt import QueueAttempt
from ledger.domain.cancel import CancelGeneration
from ledger.domain.change import Change, Decision
from ledger.domain.dataset import AddImage, DatasetState
from ledger.domain.events import Event, Sealed
from ledger.domain.generation import (
    CompleteGeneration,
    FailGeneration,
    GenerationState,
    RequestGeneration,
    StartGeneration,
)
from ledger.domain.late import ReceiveLateResult
from ledger.domain.style import DraftStyle, StyleState
from ledger.domain.terms import Terms
from ledger.domain.training import (
    CompleteTraining,
    FailTraining,
    RequestTraining,
    StartTraining,
    TrainingState,
)

NOW = datetime(2027, 1, 31, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
TERMS = Terms()

USER, ARTIST, STRANGER = UUID(int=0xA1), UUID(int=0xA2), UUID(int=0xA3)
STYLE, GENERATION, TRAINING = UUID(int=0xB1), UUID(int=0xB2), UUID(int=0xB3)
TASK, OTHER_TASK = UUID(int=0xC1), UUID(int=0xC2)
CLAIM, OTHER_CLAIM = UUID(int=0xD1), UUID(int=0xD2)
WORKER, OTHER_WORKER = UUID(int=0xE1), UUID(int=0xE2)
TEXT = Sealed("c2VhbGVk", UUID(int=0xF1))

MODEL = {"key": "models/1", "sha256": "a" * 64, "bytes": 9, "content_type": "application/octet"}
PICTURE = {
    "key": "results/1", "sha256": "b" * 64, "bytes": 7, "content_type": "image/png",
    "width": 512, "height": 512,
}  # fmt: skip
REPORT = {"task_id": TASK, "claim": CLAIM, "worker_id": WORKER}
OF_TRAINING = {**REPORT, "training_id": TRAINING, "style_id": STYLE}
OF_GENERATION = {**REPORT, "generation_id": GENERATION}
PICTURE_STREAM, TRAINING_STREAM = f"generation-{GENERATION}", f"training-{TRAINING}"


def fold(
    evolve: Callable[..., Any],
    changes: Iterable[Change],
    stream: str,
    state: Any,
    at: datetime = NOW,
) -> Any:
    """Return `state` after those of `changes` that are in `stream`, which occurred `at`."""
    for change in changes:
        if change.stream == stream:
            state = evolve(state, change.event, at)
    return state


def events(decided: Decision | list[Change]) -> list[Event]:
    """Return the events of a decision."""
    return [change.event for change in Decision.of(decided).changes]


def names(decided: Decision | list[Change]) -> list[str]:
    """Return the names of the events of a decision."""
    return [type(event).__name__ for event in events(decided)]


def keys(decided: Decision | list[Change]) -> list[str]:
    """Return the movement keys of a decision."""
    return [key for change in Decision.of(decided).changes if (key := change.movement_key)]


def moved(decided: Decision | list[Change]) -> dict[tuple[str, str], int]:
    """Return what a decision does to each account and colour, zeros left out."""
    sums: Counter[tuple[str, str]] = Counter()
    for change in Decision.of(decided).changes:
        for entry in change.entries:
            sums[entry.account, entry.colour] += entry.amount
    return {key: amount for key, amount in sums.items() if amount}


def draft(**given: Any) -> StyleState:
    """Return a drafted style of ARTIST."""
    command = DraftStyle(**{"style_id": STYLE, "artist_id": ARTIST, "name": TEXT, **given})
    changes = style.draft_style(command, terms=TERMS, style=None)
    state: StyleState = fold(style.evolve, changes, command.stream, None)
    return state


@cache
def images(count: int) -> DatasetState:
    """Return a dataset of `count` pictures."""
    state = dataset.EMPTY
    for number in range(count):
        command = image(number)
        changes = dataset.add_image(
            command, terms=Terms(max_images=count), style=draft(), dataset=state
        )
        state = fold(dataset.evolve, changes, command.stream, state)
    return state


def image(number: int, **given: Any) -> AddImage:
    """Return the command that adds picture `number`."""
    defaults: dict[str, Any] = {
        "style_id": STYLE, "artist_id": ARTIST, "image_id": UUID(int=1000 + number),
        "key": f"images/{number}", "sha256": f"{number:064x}", "bytes": 5,
        "content_type": "image/png", "width": 512, "height": 512,
    }  # fmt: skip
    return AddImage(**{**defaults, **given})


def order_training(**given: Any) -> list[Change]:
    """Return the decision of an artist with 150 paid tokens who trains a style of ten images."""
    defaults: dict[str, Any] = {
        "now": NOW, "terms": TERMS, "training": None, "style": draft(), "dataset": images(10),
        "available": {money.PAID: 150},
    }  # fmt: skip
    command = RequestTraining(
        training_id=TRAINING, style_id=STYLE, artist_id=ARTIST, task_id=TASK, seed=7
    )
    command = given.pop("command", command)
    return training.request_training(command, **{**defaults, **given})


def queued_training(**given: Any) -> TrainingState:
    """Return a training that waits for a worker."""
    state: TrainingState = fold(training.evolve, order_training(**given), TRAINING_STREAM, None)
    return state


def running_training(**given: Any) -> TrainingState:
    """Return a training that WORKER has started."""
    state = queued_training(**given)
    command = StartTraining(**OF_TRAINING, sequence=1)
    decision = training.start_training(command, now=NOW, terms=TERMS, training=state)
    return fold(training.evolve, decision.changes, command.stream, state)


def fail_training(state: TrainingState | None, **given: Any) -> Decision:
    """Return the decision that WORKER could not train, for good unless it `is_retryable`."""
    now = given.pop("now", LATER)
    defaults = {"code": "out_of_memory", "message": None, "is_retryable": False, "sequence": 9}
    command = FailTraining(**{**OF_TRAINING, **defaults, **given})
    return training.fail_training(command, now=now, terms=TERMS, training=state)


def after_training(
    state: TrainingState, decided: Decision | list[Change], at: datetime = NOW
) -> TrainingState:
    """Return the training after a decision."""
    changes = Decision.of(decided).changes
    moved_on: TrainingState = fold(training.evolve, changes, TRAINING_STREAM, state, at)
    return moved_on


@cache
def completed_training() -> tuple[Decision, TrainingState]:
    """Return how a training completed, and the training afterwards."""
    state = running_training()
    command = CompleteTraining(**OF_TRAINING, **MODEL, sequence=9)
    decision = training.complete_training(command, training=state)
    return decision, fold(training.evolve, decision.changes, command.stream, state)


def trained(**given: Any) -> StyleState:
    """Return a trained style of ARTIST, at 100 tokens a picture unless `price` is given."""
    decision, _ = completed_training()
    state: StyleState = fold(style.evolve, decision.changes, f"style-{STYLE}", draft(**given))
    return state


def order_picture(**given: Any) -> list[Change]:
    """Return the decision of USER, who has 150 paid tokens, to order a picture in the style."""
    defaults: dict[str, Any] = {
        "now": NOW, "terms": TERMS, "generation": None, "style": trained(),
        "available": {money.PAID: 150},
    }  # fmt: skip
    command = given.pop("command", None) or picture_command()
    return generation.request_generation(command, **{**defaults, **given})


def picture_command(**given: Any) -> RequestGeneration:
    """Return USER's command to order a picture."""
    defaults: dict[str, Any] = {
        "generation_id": GENERATION, "user_id": USER, "style_id": STYLE, "task_id": TASK,
        "prompt": TEXT, "seed": 42,
    }  # fmt: skip
    return RequestGeneration(**{**defaults, **given})


def queued_picture(available: Mapping[str, int] | None = None, **given: Any) -> GenerationState:
    """Return a generation that waits for a worker."""
    changes = order_picture(available=available or {money.PAID: 150}, **given)
    state: GenerationState = fold(generation.evolve, changes, PICTURE_STREAM, None)
    return state


def running_picture(available: Mapping[str, int] | None = None, **given: Any) -> GenerationState:
    """Return a generation that WORKER has started."""
    state = queued_picture(available, **given)
    command = StartGeneration(**OF_GENERATION, sequence=1)
    decision = generation.start_generation(command, now=NOW, terms=TERMS, generation=state)
    return fold(generation.evolve, decision.changes, command.stream, state)


def complete_picture(state: GenerationState | None, **given: Any) -> Decision:
    """Return the decision that the picture is stored, at LATER unless `now` is given."""
    now = given.pop("now", LATER)
    command = CompleteGeneration(**{**OF_GENERATION, **PICTURE, "sequence": 9, **given})
    return generation.complete_generation(command, now=now, terms=TERMS, generation=state)


def fail_picture(state: GenerationState | None, **given: Any) -> Decision:
    """Return the decision that WORKER could not paint, for good unless it `is_retryable`."""
    now = given.pop("now", LATER)
    defaults = {"code": "moderation", "message": None, "is_retryable": False, "sequence": 9}
    command = FailGeneration(**{**OF_GENERATION, **defaults, **given})
    return generation.fail_generation(command, now=now, terms=TERMS, generation=state)


def after_picture(
    state: GenerationState | None, decided: Decision | list[Change], at: datetime = NOW
) -> GenerationState:
    """Return the generation after a decision."""
    changes = Decision.of(decided).changes
    moved_on: GenerationState = fold(generation.evolve, changes, PICTURE_STREAM, state, at)
    return moved_on


def completed_picture(available: Mapping[str, int] | None = None, **given: Any) -> GenerationState:
    """Return a generation whose picture was stored and paid for at NOW."""
    state = running_picture(available, **given)
    return after_picture(state, complete_picture(state, now=NOW))


def failed_picture(available: Mapping[str, int] | None = None) -> GenerationState:
    """Return a generation that failed for good at NOW."""
    state = running_picture(available)
    return after_picture(state, fail_picture(state, now=NOW))


def retrying_picture(available: Mapping[str, int] | None = None) -> GenerationState:
    """Return a generation whose first attempt failed at NOW, and that is tried again."""
    state = running_picture(available)
    return after_picture(state, fail_picture(state, now=NOW, is_retryable=True))


def queue_attempt(state: Any, now: datetime, task_id: UUID = OTHER_TASK) -> list[Change]:
    """Return what the timer of the next attempt does to a generation at `now`."""
    command = QueueAttempt(stream=PICTURE_STREAM, style_id=STYLE, task_id=task_id)
    return attempt.queue_attempt(command, now=now, terms=TERMS, state=state)


def requeued_picture(available: Mapping[str, int] | None = None) -> GenerationState:
    """Return a generation whose second attempt, OTHER_TASK, waits for a worker since LATER."""
    state = retrying_picture(available)
    return after_picture(state, queue_attempt(state, LATER))


def cancel_picture(state: GenerationState | None, **given: Any) -> list[Change]:
    """Return the decision of USER, or the given one, to cancel the picture at LATER."""
    command = CancelGeneration(**{"generation_id": GENERATION, "user_id": USER, **given})
    return cancel.cancel_generation(command, now=LATER, generation=state)


def receive_late(state: Any, now: datetime = LATER, **given: Any) -> Decision:
    """Return the decision that WORKER's result came too late."""
    stored = {"key": "late/1", "sha256": "d" * 64, "bytes": 7, "content_type": "image/png"}
    command = ReceiveLateResult(
        **{**REPORT, **stored, "stream": PICTURE_STREAM, "sequence": 9, **given}
    )
    return late.receive_late_result(command, now=now, terms=TERMS, state=state)
