"""ETag and If-None-Match (design section 10): what did not change is not sent again."""

from collections.abc import Callable

import pytest

from tests.callers import Caller, call
from tests.jobs import give, granted

People = Callable[..., Caller]


@pytest.mark.parametrize(
    "path", ["/api/tokens/balance/", "/api/styles/", "/api/generations/my_generations/"]
)
def test_what_did_not_change_is_not_sent_again(person: People, path: str) -> None:
    mina = person()
    first = mina("GET", path)

    again = mina("GET", path, headers={"If-None-Match": first["ETag"]})

    assert (first.status_code, again.status_code) == (200, 304)
    assert again.content == b""
    assert again["ETag"] == first["ETag"]
    assert first["Cache-Control"] == again["Cache-Control"] == "private, no-cache"


def test_what_changed_is_sent(person: People) -> None:
    mina = person()
    old = mina("GET", "/api/tokens/balance/")["ETag"]
    give(granted(mina.user.id, 250))

    changed = mina("GET", "/api/tokens/balance/", headers={"If-None-Match": old})

    assert changed.status_code == 200
    assert changed.json()["balance"] == 250
    assert changed["ETag"] != old


def test_languages_are_kept_apart(person: People) -> None:
    assert "Accept-Language" in person()("GET", "/api/tokens/balance/")["Vary"]


def test_a_known_etag_opens_nothing(person: People) -> None:
    etag = person()("GET", "/api/tokens/balance/")["ETag"]

    refused = call("GET", "/api/tokens/balance/", headers={"If-None-Match": etag})

    assert refused.status_code == 401
