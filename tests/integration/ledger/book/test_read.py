"""Reading the book: what it is called, what a row moves, and what is kept of styles."""

from collections import OrderedDict

import pytest
from django.db import connections

from core.ids import new_id
from ledger import desk
from ledger.book import read
from ledger.domain.events import Sealed
from ledger.domain.style import DraftStyle, ReviseStyle
from tests.databases import Database
from tests.jobs import give, granted


def test_a_database_without_a_book_is_said_so(database: Database) -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute("alter table book disable trigger all; delete from book")
    with pytest.raises(read.BookIsMissing, match="no book yet"):
        read.book()


def test_a_row_tells_what_it_moves(database: Database) -> None:
    user = new_id()
    give(granted(user, 7))
    (row,) = read.page(read.shard_of(user), 0)
    assert read.entries(row) == [
        ("platform/issuance", "paid", -7),
        (f"user/{user}/available", "paid", 7),
    ]
    assert read.entries(row._replace(entries=None)) == []


def test_the_states_kept_of_styles_are_bounded(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "CACHED_STATES", 2)
    monkeypatch.setattr(desk, "_cache", OrderedDict())
    artist = new_id()
    name = Sealed("c2VhbGVk", artist)
    styles = [new_id(artist) for _ in range(4)]
    give(*[DraftStyle(style_id=one, artist_id=artist, name=name) for one in styles])
    for one in styles:
        give(ReviseStyle(style_id=one, artist_id=artist, price=50))
    assert [stream for _, stream in desk._cache] == [f"style-{one}" for one in styles[-2:]]
