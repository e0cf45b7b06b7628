"""What a row says about itself shows no name, address or key, wherever it is printed."""

import pytest
from django.db.models import Model

from core.models import ApiKey, PersonKey, User, Worker


@pytest.mark.parametrize(
    "row",
    [
        User(username="mina", email="mina@example.org"),
        ApiKey(name="mina's laptop", digest="0" * 64),
        Worker(name="painter", secret=b"secret"),
        PersonKey(wrapped=b"secret"),
    ],
)
def test_a_row_is_printed_as_its_id(row: Model) -> None:
    assert str(row) == str(row.pk)
    assert "mina" not in repr(row)
