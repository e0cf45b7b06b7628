"""What of a dead letter is printed without anybody having asked for people's words."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from consumers.broker import DEAD_REASON, Message
from consumers.dead_letters.acts import plain
from consumers.dead_letters.letters import Letter
from consumers.dead_letters.shown import hidden, line, row, whole

NOW = datetime(2026, 11, 27, 2, 10, tzinfo=UTC)
HIDDEN = "[hidden]"


def letter(body: bytes = b"{}", dead_at: datetime | None = NOW) -> Letter:
    message = Message(id="id-1", type="a.b", body=body, headers={DEAD_REASON: "forged"})
    return Letter(queue="work.dead", message=message, dead_at=dead_at, mark=1)


@pytest.mark.parametrize(
    "harmless",
    [
        True, None, 7, 2.5, "7", "019a0000-0000-7000-8000-000000000001",
        "2026-11-27T02:10:00.000000Z", "2026-11-27T02:10:00+09:00", "a" * 64,
        f"00-{'a' * 32}-{'b' * 16}-01",
    ],
)  # fmt: skip
def test_ids_times_digests_and_numbers_are_shown(harmless: Any) -> None:
    assert hidden({"anything": [harmless]}) == {"anything": [harmless]}


@pytest.mark.parametrize("words", ["cat", "고양이", "a" * 63, "https://a.example", "", "7" * 21])
def test_any_other_text_is_hidden(words: str) -> None:
    assert hidden({"prompt": words, "strange": [words]}) == {"prompt": HIDDEN, "strange": [HIDDEN]}


def test_a_code_is_shown_where_codes_stand_and_a_sentence_never() -> None:
    assert hidden({"code": "out_of_memory", "type": "a.b"}) == {
        "code": "out_of_memory", "type": "a.b"
    }  # fmt: skip
    assert hidden({"code": "my neighbour"}) == {"code": HIDDEN}


def test_the_name_of_a_field_may_be_words_as_well() -> None:
    assert hidden({"my neighbour": 1}) == {HIDDEN: 1}


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_what_is_nested_deeper_than_anything_of_ours_is_hidden(opening: str) -> None:
    closing = {"[": "]", '{"a":': "}"}[opening]
    body = (opening * 500 + "1" + closing * 500).encode()
    assert HIDDEN in json.dumps(whole(letter(body), now=NOW, reveal=False)["body"])


@pytest.mark.parametrize("body", [b"my neighbour", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_json_is_hidden(body: bytes) -> None:
    shown = whole(letter(body), now=NOW, reveal=False)
    assert (shown["body"], shown["bytes"]) == (HIDDEN, len(body))


def test_an_age_is_in_whole_seconds_never_negative_and_may_be_unknown() -> None:
    def age(dead_at: datetime | None) -> Any:
        return line(letter(dead_at=dead_at), now=NOW)["age_seconds"]

    assert age(NOW - timedelta(seconds=90.4)) == 90
    assert age(NOW + timedelta(seconds=5)) == 0
    assert age(None) is None
    assert row(line(letter(dead_at=None), now=NOW)) == "work.dead  id-1  a.b  forged  -"


def test_a_row_has_nothing_that_a_terminal_obeys() -> None:
    text = row({"queue": "q", "id": "\x1b[2J\x7f\x9b", "type": "", "reason": "", "age_seconds": 1})
    assert text == "q  \\u001b[2J\\u007f\\u009b  -  -  1 s"


@pytest.mark.parametrize("kept", ["", "cb-019a", "generation.failed", "delivery_limit"])
def test_the_book_keeps_ids_and_codes_as_they_are(kept: str) -> None:
    assert plain(kept) == kept


@pytest.mark.parametrize(
    "strange", ["a@b.example", "my neighbour", "고양이", "\x00", "\ud800", "a" * 300, "-rf"]
)
def test_the_book_keeps_only_a_digest_of_what_could_be_words(strange: str) -> None:
    assert plain(strange).startswith("sha256:")
    assert len(plain(strange)) == 71


@pytest.mark.parametrize("reveal", [True, False])
def test_a_key_that_opens_an_account_is_shown_to_nobody(reveal: bool) -> None:
    """G13."""
    headers = {"Authorization": "Bearer tl_secret", DEAD_REASON: "forged"}
    message = Message(id="id-1", type="transfer", body=b"{}", headers=headers)
    dead = Letter(queue="ledger.commands.dead", message=message, dead_at=NOW, mark=1)
    shown = whole(dead, now=NOW, reveal=reveal)
    assert "secret" not in json.dumps(shown)
    assert shown["reason"] == "forged"
