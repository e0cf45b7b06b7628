"""`ledger verify` on sound books, its files of kept heads, and how it speaks."""

import json
from pathlib import Path

import pytest
from django.core.management import CommandError

from core.ids import new_id
from core.sealing import erase, open_text
from ledger.book import read
from tests import books
from tests.books import Generation
from tests.integration.audit.commands import USER, fill_book, ledger
from tests.jobs import give, granted, order_picture, state_of, trained_style

pytestmark = pytest.mark.usefixtures("database")


def test_an_empty_book_is_sound() -> None:
    assert ledger("verify")[0] == 0


def test_a_book_with_every_end_of_a_job_is_sound() -> None:
    fill_book()

    code, said = ledger("verify")

    assert code == 0
    assert said.startswith("Sound: 36 events in 16 shards")


def test_the_book_of_an_erased_person_verifies() -> None:
    """G14: the words are gone for good, and no hash noticed."""
    artist, user = new_id(), new_id()
    order = order_picture(user, trained_style(artist))
    give(granted(user, 100), order)
    verified = read.heads()

    erase(user)

    sealed = state_of(order.stream).request.prompt
    assert open_text(sealed.sealed, sealed.key) is None
    assert ledger("verify")[0] == 0
    assert read.heads() == verified


def test_the_verdict_can_be_had_as_json() -> None:
    fill_book()

    verdict = json.loads(ledger("verify", "--json")[1])

    assert verdict["sound"] is True
    assert verdict["events"] == 36
    assert verdict["book_id"] == str(read.book().book_id)


def test_a_difference_is_told_with_its_position_and_invariant() -> None:
    """I5: the book takes what the domain never decides, and verify finds it."""
    books.write(books.grant(USER, 1_000))
    story = Generation(USER)
    story.request()
    story.price = 50
    story.known |= {"amount": 50, "colours": (("paid", 50),)}
    story.completed()
    books.write(story.events)

    assert ledger("verify") == (
        1,
        "Difference at 3-6 (I7): captured 50, split into 100, credited 50.\n",
    )
    verdict = json.loads(ledger("verify", "--json")[1])
    assert verdict["sound"] is False
    assert verdict["violation"]["position"] == "3-6"


@pytest.mark.parametrize("source", ["heads", "verify"])
def test_heads_kept_outside_are_found_again_as_the_book_grows(source: str, tmp_path: Path) -> None:
    """G1."""
    kept = tmp_path / "heads.json"
    fill_book()
    if source == "heads":
        kept.write_text(ledger("heads")[1])
    else:
        ledger("verify", "--write-heads", str(kept))
    fill_book()

    assert json.loads(kept.read_text())["heads"]["4"]["position"] == 2
    assert ledger("verify", "--expect-heads", str(kept))[0] == 0


def test_heads_of_a_book_that_is_not_sound_are_not_written(tmp_path: Path) -> None:
    kept = tmp_path / "heads.json"
    story = Generation(USER)
    story.failed()
    books.write(books.grant(USER, 100), story.events[:1])

    assert ledger("verify", "--write-heads", str(kept))[0] == 1
    assert not kept.exists()


def test_heads_of_another_book_are_not_expected_here(tmp_path: Path) -> None:
    kept = tmp_path / "heads.json"
    values = json.loads(ledger("heads")[1])
    kept.write_text(json.dumps(values | {"book_id": str(USER)}))

    code, said = ledger("verify", "--expect-heads", str(kept))

    assert code == 1
    assert "the heads kept are of" in said


@pytest.mark.parametrize(
    "content",
    [
        "", "[]", "{}", '{"format":2}', "[" * 10_000, "\xff",
        '{"format":1,"book_id":"x","shards":16,"heads":{}}',
        '{"format":1,"book_id":"x","shards":16,"heads":{"0":{"position":1.5,"hash":""}}}',
        '{"format":1,"book_id":"x","shards":16,"heads":{"0":{"position":1,"hash":"AB"}}}',
        " " * 1_000_001,
    ],
)  # fmt: skip
def test_a_file_that_holds_no_heads_is_wrong_usage(content: str, tmp_path: Path) -> None:
    kept = tmp_path / "heads.json"
    kept.write_text(content, encoding="latin-1")

    with pytest.raises(CommandError, match="no file of heads") as refused:
        ledger("verify", "--expect-heads", str(kept))

    assert refused.value.returncode == 2


def test_a_file_that_cannot_be_read_or_written_is_wrong_usage(tmp_path: Path) -> None:
    for option, path in (("--expect-heads", tmp_path / "no"), ("--write-heads", tmp_path / "a/b")):
        with pytest.raises(CommandError, match="Cannot") as refused:
            ledger("verify", option, str(path))
        assert refused.value.returncode == 2
