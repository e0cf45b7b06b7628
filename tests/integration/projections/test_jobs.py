"""Trainings and generations, folded from a real book."""

from datetime import timedelta
from uuid import UUID

import pytest

from ledger.book import read
from ledger.domain.events import (
    PersonErased,
    StyleReactivated,
    TrainingCanceled,
    TrainingCheckpointed,
    TrainingExpired,
)
from projections.follow import catch_up
from projections.generations import (
    GENERATION,
    Generation,
    GenerationsProjector,
    generation,
    generations_of,
)
from projections.jobs import Movement, job_of
from projections.reading import mark, places_in_queue
from projections.trainings import TRAINING, Training, training, trainings_of, trainings_of_style
from tests.integration.projections.pen import NOW, Fact, Pen, granted, person
from tests.integration.projections.stories import LATER, SHA, GenerationStory, StyleStory

ANNE, BERT, ARTIST = person(1), person(2), person(3)
STYLE_ID = person(3, 77)

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def pen(database: object) -> Pen:
    """Return a pen in a book where everyone has tokens."""
    pen = Pen()
    for one in (ANNE, BERT, ARTIST):
        pen.write(granted(one, 1_000))
    return pen


def a_story(user: UUID = ANNE) -> GenerationStory:
    return GenerationStory(user, ARTIST, STYLE_ID)


def shown(story: GenerationStory) -> Generation:
    catch_up()
    found = generation(story.id)
    assert found is not None
    return found


def test_a_requested_generation_is_queued_with_its_hold(pen: Pen) -> None:
    """G4."""
    story = a_story()
    _, position = pen.write(*story.requested())

    row = shown(story)

    assert (row.status, row.is_terminal, row.outcome, row.version) == ("queued", False, None, 2)
    assert (row.quote, row.held, row.captured, row.billing_state) == (50, 50, 0, "held")
    assert row.movements == [Movement("hold", 1, position, 50)]
    assert (row.prompt, row.prompt_key, row.size, row.seed) == (
        "cHJvbXB0",
        UUID(int=7),
        "512x512",
        42,
    )
    assert (row.created_at, row.start_by_at, row.started_at) == (NOW, LATER, None)


def test_a_completed_generation_shows_its_picture_and_its_capture(pen: Pen) -> None:
    """G6, I5."""
    story = a_story()
    pen.write(*story.requested())
    pen.write(story.started())
    pen.write(story.progressed(40))
    assert (shown(story).status, shown(story).progress) == ("processing", 40)
    pen.write(*story.completed())

    row = shown(story)

    assert (row.status, row.is_terminal, row.outcome, row.progress) == (
        "completed",
        True,
        "completed",
        100,
    )
    assert (row.result_key, row.result_sha256, row.result_bytes) == ("results/1", SHA, 2_000)
    assert (row.held, row.captured, row.released, row.billing_state) == (50, 50, 0, "captured")
    assert [one.verb for one in row.movements] == ["hold", "capture"]
    assert (row.ended_at, row.refundable_until_at, row.leased_until_at) == (NOW, LATER, None)


def test_a_refund_is_shown_and_the_job_stays_completed(pen: Pen) -> None:
    story = a_story()
    pen.write(*story.requested(), story.started(), *story.completed(), story.refunded())

    row = shown(story)

    assert (row.status, row.refunded, row.billing_state) == ("completed", 50, "refunded")
    assert [one.verb for one in row.movements] == ["hold", "capture", "refund"]


def test_cleared_earnings_are_noted(pen: Pen) -> None:
    story = a_story()
    pen.write(*story.requested(), story.started(), *story.completed(), story.cleared())

    assert shown(story).cleared_at == NOW


@pytest.mark.parametrize("outcome", ["failed", "expired", "canceled"])
def test_a_job_without_a_picture_has_its_hold_released(pen: Pen, outcome: str) -> None:
    """G5, I4."""
    story = a_story()
    pen.write(*story.requested())
    pen.write(*getattr(story, outcome)())
    pen.write(story.late())

    row = shown(story)

    assert (row.status, row.outcome, row.billing_state) == (outcome, outcome, "released")
    assert (row.held, row.captured, row.released) == (50, 0, 50)
    codes = {"failed": "moderation", "expired": "not_started", "canceled": None}
    assert row.error_code == codes[outcome]
    assert row.is_cancel_requested is (outcome == "canceled")
    assert row.version == {"failed": 5, "expired": 5, "canceled": 6}[outcome]


def test_a_retry_is_a_new_attempt_of_the_same_job(pen: Pen) -> None:
    story = a_story()
    first = story.task_id
    pen.write(*story.requested(), story.started(), story.progressed(30))
    pen.write(*story.attempt_failed())
    row = shown(story)
    assert (row.status, row.retry_at, row.error_code) == ("retrying", LATER, "out_of_memory")
    pen.write(story.attempt_queued())
    row = shown(story)
    assert (row.status, row.attempts, row.retry_at) == ("queued", 2, None)
    assert row.task_id == story.task_id != first
    pen.write(story.started(attempt=2))

    row = shown(story)

    assert (row.status, row.progress, row.started_at) == ("processing", 0, NOW)
    assert row.deadline_at == LATER + timedelta(minutes=2)


def test_a_list_is_the_owners_own_newest_first_and_pages_join(pen: Pen) -> None:
    """G13."""
    stories = [a_story() for _ in range(7)]
    for story in stories:
        pen.write(*story.requested())
    pen.write(*stories[0].failed())
    other = a_story(BERT)
    pen.write(*other.requested())
    catch_up()

    whole = generations_of(ANNE)
    first = generations_of(ANNE, limit=4)
    rest = generations_of(ANNE, limit=4, before=mark(first[-1]))

    assert {row.id for row in whole} == {story.id for story in stories}
    assert [(row.created_at, row.id) for row in whole] == sorted(
        ((row.created_at, row.id) for row in whole), reverse=True
    )
    assert first + rest == whole
    assert [row.id for row in generations_of(ANNE, status="failed")] == [stories[0].id]
    assert generations_of(ANNE, style_id=person(3, 1)) == []
    assert len(generations_of(ANNE, style_id=STYLE_ID)) == 7
    assert [row.id for row in generations_of(BERT)] == [other.id]


def test_the_queue_is_one_for_everybody_oldest_first(pen: Pen) -> None:
    stories = [a_story(ANNE), a_story(BERT), a_story(ANNE)]
    for story in stories:
        pen.write(*story.requested())
    catch_up()

    waiting = sorted((shown(story) for story in stories), key=mark)
    places = places_in_queue(GENERATION, waiting)
    assert [places[row.id].number for row in waiting] == [1, 2, 3]
    assert {(place.length, place.oldest_at) for place in places.values()} == {(3, NOW)}

    pen.write(stories[0].started())
    catch_up()
    left = [row for row in waiting if row.id != stories[0].id]
    places = places_in_queue(GENERATION, left)
    assert [places[row.id].number for row in left] == [1, 2]


def test_a_place_in_a_long_queue_is_counted_up_to_a_limit(pen: Pen) -> None:
    stories = [a_story() for _ in range(4)]
    for story in stories:
        pen.write(*story.requested())
    last = max((shown(story) for story in stories), key=mark)

    assert places_in_queue(GENERATION, [last], most=2)[last.id][:2] == (3, 3)


def test_a_job_that_is_not_projected_yet_has_a_place(pen: Pen) -> None:
    row = folded(*a_story().requested())

    assert places_in_queue(GENERATION, [row]) == {row.id: (1, 1, NOW)}
    assert places_in_queue(GENERATION, []) == {}


def folded(*facts: Fact) -> Generation:
    """Write a generation and return it as its stream alone tells it."""
    pen = Pen()
    pen.write(*facts)
    row = job_of(GenerationsProjector, read.stream(facts[0].stream))
    assert row is not None
    return row


def test_a_job_folded_from_its_stream_is_what_will_be_projected(pen: Pen) -> None:
    """G11."""
    story = a_story()
    row = folded(*story.requested(), story.started(), *story.completed())

    assert row == shown(story)


def test_an_event_that_no_generation_has_changes_none(pen: Pen) -> None:
    """As the follow loop passes over what its projector does not read."""
    story = a_story()
    requested = story.requested()
    strange = Fact(requested[0].stream, StyleReactivated(artist_id=ARTIST))
    row = folded(*requested, strange, story.started())

    assert (row.version, row.status) == (4, "processing")


def test_a_stream_that_does_not_exist_is_no_job() -> None:
    assert job_of(GenerationsProjector, []) is None


def test_nothing_is_found_before_it_is_projected(pen: Pen) -> None:
    assert generation(a_story().id) is None


def test_the_text_of_an_erased_person_is_blanked(pen: Pen) -> None:
    """G14."""
    story, other = a_story(), a_story(BERT)
    pen.write(*story.requested(), *story.failed())
    pen.write(*other.requested())
    pen.write(Fact(f"account-{ANNE}", PersonErased(user_id=ANNE, reason="asked")))

    row = shown(story)

    assert (row.prompt, row.prompt_key, row.error_message, row.error_code) == (
        None,
        None,
        None,
        "moderation",
    )
    assert shown(other).prompt == "cHJvbXB0"


def shown_training(story: StyleStory) -> Training:
    catch_up()
    found = training(story.training_id)
    assert found is not None
    return found


def test_a_training_shows_epochs_and_its_model(pen: Pen) -> None:
    story = StyleStory(ARTIST)
    pen.write(story.drafted(), story.image(), story.image(), *story.training_requested())
    assert places_in_queue(TRAINING, [shown_training(story)])[story.training_id].number == 1
    assert shown_training(story).measured == {}
    pen.write(*story.training_started())
    row = shown_training(story)
    assert (row.status, row.progress, row.current_epoch, row.total_epochs) == (
        "processing",
        50,
        100,
        200,
    )
    checkpoint = TrainingCheckpointed(
        user_id=ARTIST,
        attempt=1,
        task_id=story.task_id,
        sequence=3,
        epoch=120,
        key="checkpoints/1",
        sha256=SHA,
        bytes=9,
    )
    pen.write(Fact(story.training, checkpoint))
    pen.write(*story.training_completed())

    row = shown_training(story)

    assert (row.status, row.progress, row.checkpoint_epoch) == ("completed", 100, 120)
    assert (row.model_key, row.model_bytes, row.measured) == ("models/1", 5_000, {"loss": "0.05"})
    assert (row.image_count, row.captured, row.billing_state) == (2, 100, "captured")
    assert trainings_of_style(story.id) == trainings_of(ARTIST) == [row]


def test_a_training_that_came_to_nothing_has_its_hold_released(pen: Pen) -> None:
    """G5."""
    story = StyleStory(ARTIST)
    pen.write(story.drafted(), story.image(), *story.training_requested())
    pen.write(*story.training_failed())

    row = shown_training(story)

    assert (row.status, row.error_code, row.released) == ("failed", "worker_error", 100)


def test_a_training_can_expire_and_be_canceled(pen: Pen) -> None:
    ended = [StyleStory(ARTIST), StyleStory(ARTIST)]
    for story in ended:
        pen.write(story.drafted(), story.image(), *story.training_requested())
    named = {"user_id": ARTIST, "attempt": 1}
    expired = TrainingExpired(
        **named, style_id=ended[0].id, task_id=ended[0].task_id, code="deadline"
    )
    canceled = TrainingCanceled(
        **named,
        style_id=ended[1].id,
        task_id=ended[1].task_id,
        reason="owner",
        is_confirmed_by_worker=True,
    )
    pen.write(Fact(ended[0].training, expired), Fact(ended[1].training, canceled))

    assert [shown_training(story).status for story in ended] == ["expired", "canceled"]
    assert shown_training(ended[0]).error_code == "deadline"
