"""A token of the local storage allows one operation on one key, for a time."""

import base64
import json

import pytest

from core.storage import LinkExpired, LinkInvalid
from core.storage.links import Link, derive_secret, open_token, sign

SECRET = derive_secret("secret key")
LINK = Link("put", "uploads/a", 1_000, 10, "image/png", "0" * 64, "그림.png")


def test_a_token_gives_back_what_was_signed() -> None:
    assert open_token(sign(LINK, SECRET), "put", secret=SECRET, now=999.9) == LINK


def test_a_token_needs_no_escaping_in_a_path() -> None:
    token = sign(LINK, SECRET)
    assert set(token) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


def test_a_token_ends_at_its_time() -> None:
    with pytest.raises(LinkExpired):
        open_token(sign(LINK, SECRET), "put", secret=SECRET, now=1_000)


def test_a_token_is_for_one_operation() -> None:
    with pytest.raises(LinkInvalid):
        open_token(sign(LINK, SECRET), "get", secret=SECRET, now=1)


def test_a_forged_token_says_nothing_about_its_expiry() -> None:
    """Whether a key or a time exists is told to holders of a real token only."""
    with pytest.raises(LinkInvalid):
        open_token(sign(LINK, b"another secret"), "put", secret=SECRET, now=2_000)


def test_every_changed_character_is_noticed() -> None:
    token = sign(LINK, SECRET)
    for place, letter in enumerate(token):
        changed = token[:place] + ("A" if letter != "A" else "B") + token[place + 1 :]
        with pytest.raises(LinkInvalid):
            open_token(changed, "put", secret=SECRET, now=1)


def test_a_signature_does_not_fit_another_key() -> None:
    signature = sign(LINK, SECRET).partition(".")[2]
    other = json.dumps(["put", "uploads/b", *LINK[2:]]).encode()
    token = f"{base64.urlsafe_b64encode(other).decode()}.{signature}"
    with pytest.raises(LinkInvalid):
        open_token(token, "put", secret=SECRET, now=1)


@pytest.mark.parametrize("token", ["", ".", "a", "a.b", "a.b.c", "é.é", "a" * 3_000, "\ud800.a"])
def test_anything_else_is_no_token(token: str) -> None:
    with pytest.raises(LinkInvalid):
        open_token(token, "get", secret=SECRET, now=1)


@pytest.mark.parametrize("payload", ["", "a", "W10", "e30", "bnVsbA", "WzEsMiwzLDQsNSw2LDcsOF0"])
def test_a_signed_payload_of_another_shape_is_invalid(payload: str) -> None:
    """An older or newer release may have signed it with the same key."""
    from core.storage.links import _signature

    with pytest.raises(LinkInvalid):
        open_token(f"{payload}.{_signature(payload, SECRET)}", "get", secret=SECRET, now=1)


def test_the_signing_key_is_not_the_secret_key_itself() -> None:
    """Design section 13: SECRET_KEY signs other things too, so each purpose has its own key."""
    assert derive_secret("secret key") != b"secret key"
    assert derive_secret("secret key") != derive_secret("secret kez")
