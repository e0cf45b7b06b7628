"""Runs `manage.py ledger ...` in this process, and fills a book to audit."""

import io
from typing import Any

from django.core.management import call_command

from tests import books
from tests.books import person

USER, OTHER = person(1), person(2, shard=4)
ENDS = ("completed", "refunded", "cleared", "failed", "expired", "canceled", "open")


def ledger(*arguments: str) -> tuple[int, str]:
    """Return exit code and output of one `ledger` command."""
    out = io.StringIO()
    code: Any = 0
    try:
        call_command("ledger", *arguments, stdout=out)
    except SystemExit as end:
        code = end.code
    return code, out.getvalue()


def fill_book() -> None:
    """Write a book with every way in which a generation can end, over three shards."""
    books.write(books.grant(USER, 1_000), books.grant(OTHER, 500), books.draft(books.ARTIST))
    books.write(*(books.generation(USER, ends=ends) for ends in ENDS))
    books.write(books.transfer(USER, OTHER, 50), books.transfer(OTHER, USER, 7))
