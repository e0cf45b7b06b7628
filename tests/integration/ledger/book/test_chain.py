"""The chain that PostgreSQL wrote, walked by the few lines of the format's page (G1)."""

import psycopg2
import pytest

from ledger.book import read
from ledger.book.append import append
from tests import books
from tests.books import person
from tests.databases import Database
from tests.format_page import functions

USER = person(1)


@pytest.mark.usefixtures("database")
def test_the_page_walks_a_real_book() -> None:
    """Few events go in by scalar statements, many by set-based ones: one chain."""
    stories = [books.generation(USER, ends=ends) for ends in ("completed", "failed", "open")]
    books.write(books.grant(USER, 300), *stories, books.draft(books.ARTIST))
    append(shard=3, outcomes=[], events=[books.draft(USER)[0] for _ in range(20)])
    page, book = functions(), read.book()
    heads = read.heads()
    walked = 0
    for shard in range(book.shards):
        digest = page["genesis"](book.book_id, shard, book.shards)
        for row in read.page(shard, 0):
            times = (f"{at:%Y-%m-%dT%H:%M:%S.%fZ}" for at in (row.occurred_at, row.recorded_at))
            digest = page["event_hash"](book.book_id, digest, (*row[:11], *times))
            assert digest == row.hash
            walked += 1
        assert digest == heads[shard].hash

    assert walked == 33


def test_a_second_book_in_a_database_is_the_first(database: Database) -> None:
    with psycopg2.connect(database.owner_url) as owner, owner.cursor() as cursor:
        cursor.execute("select create_book_v1(gen_random_uuid(), 8)::text")
        assert cursor.fetchone() == (str(read.book().book_id),)
        cursor.execute("select count(*) from head")
        assert cursor.fetchone() == (16,)
