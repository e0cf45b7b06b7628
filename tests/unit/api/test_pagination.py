"""Pages are read by cursors that only their own list gave out."""

from typing import Any

import pytest

from api.errors import FieldProblem
from api.pagination import Page
from tests.unit.api.requests import request

ROWS = list(range(50))


def page(path: str = "/", name: str = "numbers") -> Page:
    return Page.of(request(path, method="GET"), name)


def answer(asked: Page) -> dict[str, Any]:
    after = asked.after[0] if asked.after else -1
    assert isinstance(after, int)
    rows = ROWS[after + 1 : after + 1 + asked.limit + 1]
    return asked.answer(rows, key=lambda row: (row,), render=str)


def test_following_the_cursors_reads_every_row_once() -> None:
    read: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        got = answer(page(f"/?limit=7&cursor={cursor}"))
        read += got["results"]
        cursor = got["next_cursor"]
        assert got["has_more"] is (cursor is not None)

    assert read == [str(row) for row in ROWS]


def test_a_page_that_ends_with_the_last_row_says_so() -> None:
    assert answer(page("/?limit=50")) == {
        "results": [str(row) for row in ROWS],
        "next_cursor": None,
        "has_more": False,
    }


@pytest.mark.parametrize(("query", "limit"), [("", 20), ("?limit=1", 1), ("?limit=100", 100)])
def test_the_limit_is_1_to_100_and_20_by_itself(query: str, limit: int) -> None:
    assert page(f"/{query}").limit == limit


@pytest.mark.parametrize("limit", ["0", "101", "-1", "5.0", "x", "", "1000", "٣", "²"])
def test_another_limit_is_refused(limit: str) -> None:
    with pytest.raises(FieldProblem) as refused:
        page(f"/?limit={limit}")
    assert refused.value.details["limit"][0]["code"] == "invalid_limit"


@pytest.mark.parametrize("cursor", ["x", "a:b", ":", "WzFd", "%00", "é", "x" * 600, "W10:x"])
def test_a_cursor_of_ones_own_making_is_refused(cursor: str) -> None:
    with pytest.raises(FieldProblem) as refused:
        page(f"/?cursor={cursor}")
    assert refused.value.details["cursor"][0]["code"] == "invalid_cursor"


def test_an_altered_cursor_or_one_of_another_list_is_refused() -> None:
    cursor = answer(page())["next_cursor"]

    for path, name in ((f"/?cursor=A{cursor}", "numbers"), (f"/?cursor={cursor}", "letters")):
        with pytest.raises(FieldProblem):
            page(path, name)
