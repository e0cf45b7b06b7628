"""One filled book for the tests of a module: whoever alters it, puts it back."""

from collections.abc import Iterator

import pytest

from projections.follow import catch_up
from tests import attacks
from tests.attacks import Attacker
from tests.databases import Database
from tests.integration.audit.commands import fill_book


@pytest.fixture(scope="module")
def filled_book(shared_database: Database) -> Database:
    """Return a database with a sound book, every projection up to date."""
    fill_book()
    catch_up()
    return shared_database


@pytest.fixture
def attacker(filled_book: Database) -> Iterator[Attacker]:
    """Yield somebody with the superuser's login; the book is as before afterwards."""
    with attacks.attacker(filled_book) as somebody, somebody.undoing():
        yield somebody
