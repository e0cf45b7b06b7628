"""Credentials: a signature that the server can verify, or a token for one server only."""

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from consumers.worker.credentials import Credentials, CredentialsInvalid, origin

SECRET = "whsec_c2VjcmV0LXNlY3JldA=="


def test_a_signature_verifies_with_the_standard_library_of_the_scheme() -> None:
    credentials = Credentials(worker_id="w", secret=SECRET)
    body = '{"prompt": "바다"}'.encode()
    headers = credentials.headers_for("http://any/", "callback_1", body)
    assert headers["X-Worker-Id"] == "w"
    Webhook(SECRET).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body + b" ", headers)


def test_a_token_is_sent_to_its_own_server_only() -> None:
    credentials = Credentials(worker_id="w", token="t", trusted="http://server:8000")
    headers = credentials.headers_for("http://server:8000/api/x", "callback_1", b"{}")
    assert headers["Authorization"] == "Bearer t"
    with pytest.raises(CredentialsInvalid):
        credentials.headers_for("http://server:8001/api/x", "callback_1", b"{}")


def test_a_secret_is_preferred_to_a_token() -> None:
    credentials = Credentials(worker_id="w", secret=SECRET, token="t", trusted="http://server:80")
    assert "Authorization" not in credentials.headers_for("http://server/", "c", b"{}")


@pytest.mark.parametrize(
    "secret", ["whsec_", "whsec_!", "whsec_a", "whsec_c2Vj!", "c2VjcmV0", "whsec_바다"]
)
def test_a_secret_of_another_form_is_refused(secret: str) -> None:
    with pytest.raises(CredentialsInvalid):
        Credentials(worker_id="w", secret=secret)


def test_neither_secret_nor_token_is_refused() -> None:
    with pytest.raises(CredentialsInvalid):
        Credentials(worker_id="w")


def test_secrets_do_not_show_in_the_representation() -> None:
    assert SECRET not in repr(Credentials(worker_id="w", secret=SECRET))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://a/x", "http://a:80"),
        ("HTTPS://A:443", "https://a:443"),
        ("http://user@a:8000/x?y", "http://a:8000"),
        ("http://[::1]:80/", "http://::1:80"),
    ],
)
def test_an_origin_has_one_spelling(url: str, expected: str) -> None:
    assert origin(url) == expected
