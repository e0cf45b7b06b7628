"""Styles, their images and their use, folded from a real book."""

from uuid import UUID

import pytest

from ledger.domain.events import (
    ImageCaptioned,
    PersonErased,
    StyleDeactivated,
    StyleDescribed,
    StylePriced,
    StyleReactivated,
    StyleRenamed,
    StyleTagged,
    TrainingCanceled,
    TrainingExpired,
)
from projections.follow import catch_up
from projections.reading import mark
from projections.style_usage import ALL_SHARDS, StyleUsage, usage
from projections.styles import Style, images_of, public_styles, style, styles_by_id, styles_of
from tests.integration.projections.pen import NOW, Fact, Pen, granted, person
from tests.integration.projections.stories import SHA, GenerationStory, StyleStory, sealed

ANNE, BERT, ARTIST, OTHER = person(1), person(2), person(3), person(4)

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def pen(database: object) -> Pen:
    """Return a pen in a book where everyone has tokens."""
    pen = Pen()
    for one in (ANNE, BERT, ARTIST, OTHER):
        pen.write(granted(one, 1_000))
    return pen


def shown(story: StyleStory) -> Style:
    catch_up()
    found = style(story.id)
    assert found is not None
    return found


def test_a_draft_is_pending_and_its_artists_own(pen: Pen) -> None:
    story = StyleStory(ARTIST)
    pen.write(story.drafted(tags=("ink", "wash")))

    row = shown(story)

    assert (row.training_status, row.is_public, row.image_count) == ("pending", False, 0)
    assert (row.name, row.description, row.price, row.tags) == (
        "c2VhbGVk",
        None,
        100,
        ["ink", "wash"],
    )
    assert (row.created_at, row.updated_at, row.version) == (NOW, NOW, 1)
    assert public_styles() == []
    assert styles_of(ARTIST) == [row]
    assert styles_of(ANNE) == []


def test_what_is_revised_is_shown(pen: Pen) -> None:
    story = StyleStory(ARTIST)
    pen.write(story.drafted())
    catch_up()
    pen.write(
        story.revised(StyleRenamed(artist_id=ARTIST, name=sealed("bmV3"))),
        story.revised(StyleDescribed(artist_id=ARTIST, description=sealed("dGV4dA=="))),
        story.revised(StylePriced(artist_id=ARTIST, price=250)),
        story.revised(StyleTagged(artist_id=ARTIST, tags=("oil",))),
    )

    row = shown(story)

    assert (row.name, row.description, row.price, row.tags, row.version) == (
        "bmV3",
        "dGV4dA==",
        250,
        ["oil"],
        5,
    )


def test_images_are_counted_and_listed_as_they_were_added(pen: Pen) -> None:
    story = StyleStory(ARTIST)
    pen.write(story.drafted(), *[story.image() for _ in range(4)])
    catch_up()
    first, second, third, fourth = story.images
    caption = ImageCaptioned(artist_id=ARTIST, image_id=third, caption=None)
    pen.write(story.image_removed(second), Fact(story.dataset, caption))
    recaptioned = ImageCaptioned(artist_id=ARTIST, image_id=fourth, caption=sealed("Y2Fw"))
    pen.write(Fact(story.dataset, recaptioned))

    row = shown(story)

    images = images_of(story.id)
    assert row.image_count == 3
    assert [image.id for image in images] == [first, third, fourth]
    assert [image.caption for image in images] == ["c2VhbGVk", None, "Y2Fw"]
    assert (images[0].sha256, images[0].width, images[0].style_id) == (SHA, 512, story.id)


def test_an_image_added_and_removed_in_one_page_leaves_no_row(pen: Pen) -> None:
    story = StyleStory(ARTIST)
    pen.write(story.drafted(), story.image())
    pen.write(story.image_removed(story.images[0]))

    assert shown(story).image_count == 0
    assert images_of(story.id) == []


def test_training_moves_the_public_status(pen: Pen) -> None:
    """Design section 8."""
    story = StyleStory(ARTIST)
    pen.write(story.drafted(), story.image())
    assert shown(story).training_status == "pending"
    pen.write(*story.training_requested())
    assert shown(story).training_status == "training"
    pen.write(*story.training_started(), *story.training_completed())

    row = shown(story)

    assert (row.training_status, row.is_public, row.training_id) == (
        "completed",
        True,
        story.training_id,
    )
    assert (row.model_key, row.model_sha256, row.model_bytes) == ("models/1", SHA, 5_000)
    assert public_styles() == [row]


def ended(story: StyleStory, outcome: str) -> list[Fact]:
    named = {"user_id": ARTIST, "style_id": story.id, "attempt": 1, "task_id": story.task_id}
    if outcome == "failed":
        return story.training_failed()
    if outcome == "expired":
        return [Fact(story.training, TrainingExpired(**named, code="deadline"))]
    event = TrainingCanceled(**named, reason="owner", is_confirmed_by_worker=False)
    return [Fact(story.training, event)]


@pytest.mark.parametrize(
    ("outcome", "status"), [("failed", "failed"), ("expired", "failed"), ("canceled", "pending")]
)
def test_a_training_without_a_model_can_be_tried_again(pen: Pen, outcome: str, status: str) -> None:
    story = StyleStory(ARTIST)
    pen.write(story.drafted(), story.image(), *story.training_requested())
    pen.write(*ended(story, outcome))

    assert shown(story).training_status == status


def test_a_deactivated_style_is_public_no_more_until_it_is_reactivated(pen: Pen) -> None:
    story = StyleStory(ARTIST)
    pen.write(*story.whole())
    pen.write(story.revised(StyleDeactivated(artist_id=ARTIST, reason="owner")))
    assert (shown(story).is_public, public_styles()) == (False, [])

    pen.write(story.revised(StyleReactivated(artist_id=ARTIST)))
    row = shown(story)
    assert public_styles() == [row]


def test_public_styles_are_of_everyone_newest_first_by_artist_and_tag(pen: Pen) -> None:
    stories = [StyleStory(artist) for artist in (ARTIST, OTHER, ARTIST)]
    for story in stories:
        pen.write(*story.whole())
    pen.write(stories[2].revised(StyleTagged(artist_id=ARTIST, tags=("ink", "wash"))))
    catch_up()

    whole = public_styles()
    first = public_styles(limit=2)

    assert len(whole) == 3
    assert first + public_styles(limit=2, before=mark(first[-1])) == whole
    assert {row.id for row in public_styles(artist_id=ARTIST)} == {stories[0].id, stories[2].id}
    assert [row.id for row in public_styles(tag="ink")] == [stories[2].id]
    ids = [story.id for story in stories]
    assert styles_by_id(ids) == {row.id: row for row in whole}
    assert styles_by_id([]) == {}


def test_the_text_of_an_erased_artist_is_blanked(pen: Pen) -> None:
    """G14."""
    story, other = StyleStory(ARTIST), StyleStory(OTHER)
    pen.write(story.drafted(), story.image())
    pen.write(other.drafted(), other.image())
    pen.write(Fact(f"account-{ARTIST}", PersonErased(user_id=ARTIST, reason="asked")))

    assert (shown(story).name, shown(story).name_key) == (None, None)
    assert images_of(story.id)[0].caption is None
    assert shown(other).name == "c2VhbGVk"
    assert images_of(other.id)[0].caption == "c2VhbGVk"


def used(user: UUID, story: StyleStory) -> GenerationStory:
    return GenerationStory(user, ARTIST, story.id)


def test_the_use_of_a_style_is_counted_over_the_shards_of_all_payers(pen: Pen) -> None:
    story = StyleStory(ARTIST)
    pen.write(*story.whole())
    for user in (ANNE, BERT):
        done, failed, expired, canceled = (used(user, story) for _ in range(4))
        pen.write(*done.requested(), done.started(), *done.completed())
        pen.write(*failed.requested(), *failed.failed())
        pen.write(*expired.requested(), *expired.expired())
        pen.write(*canceled.requested(), *canceled.canceled())
    refunded = used(ANNE, story)
    pen.write(*refunded.requested(), refunded.started(), *refunded.completed())
    pen.write(refunded.refunded())
    goodwill = used(BERT, story)
    pen.write(*goodwill.requested(), goodwill.started(), *goodwill.completed())
    pen.write(goodwill.refunded(source="goodwill"))
    catch_up()

    unused = person(3, 5)
    assert usage([story.id, unused]) == {
        story.id: StyleUsage(
            shard=ALL_SHARDS,
            style_id=story.id,
            requested=10,
            completed=4,
            failed=4,
            canceled=2,
            refunded=2,
            captured=100,
            earned=135,
        ),
        unused: StyleUsage(ALL_SHARDS, unused),
    }
