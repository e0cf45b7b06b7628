"""People who call the API through Django's test client."""

from collections.abc import Callable

import pytest

from core.keys import issue
from core.models import Role, User
from tests.callers import Caller
from tests.databases import Database


@pytest.fixture
def person(database: Database) -> Callable[..., Caller]:
    """Return a function that opens an account of a role and gives it an API key."""

    def open_account(name: str = "mina", role: str = Role.USER) -> Caller:
        user = User.objects.create(username=name, email=f"{name}@example.org", role=role)
        return Caller(user, issue(user)[1])

    return open_account
