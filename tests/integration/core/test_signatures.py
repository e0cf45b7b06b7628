"""Proof of a worker over HTTP, where the age of a signature counts."""

from datetime import UTC, datetime, timedelta

import pytest
from django.conf import LazySettings
from standardwebhooks.webhooks import Webhook

from core.signatures import Forged, proven_worker
from core.workers import create_worker, revoke_worker, rotate_secret

pytestmark = pytest.mark.usefixtures("database")
BODY = b'{"percent": 10}'


def headers(worker_id: object, secret: str, *, age_seconds: float = 0) -> dict[str, str]:
    """Return the proof of a worker that signed BODY `age_seconds` ago."""
    at = datetime.now(UTC) - timedelta(seconds=age_seconds)
    return {
        "worker-id": str(worker_id),
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": "v1,AAAA " + Webhook(secret).sign("msg_1", at, BODY.decode()),
    }


def test_a_signature_proves_its_worker_for_five_minutes_either_way() -> None:
    worker, secret = create_worker("w")
    for age in (0, 290, -290):
        assert proven_worker(headers(worker.id, secret, age_seconds=age), BODY) == worker.id
    for age in (310, -310):
        with pytest.raises(Forged):
            proven_worker(headers(worker.id, secret, age_seconds=age), BODY)


def test_both_secrets_of_a_rotation_are_valid_and_none_of_a_revoked_worker() -> None:
    worker, old = create_worker("w")
    new = rotate_secret(worker.id)
    for secret in (old, new):
        assert proven_worker(headers(worker.id, secret), BODY) == worker.id
    revoke_worker(worker.id)
    with pytest.raises(Forged):
        proven_worker(headers(worker.id, new), BODY)


def test_an_empty_shared_token_lets_nobody_in(settings: LazySettings) -> None:
    settings.INTERNAL_API_TOKEN = ""
    for sent in ("Bearer ", "Bearer", ""):
        with pytest.raises(Forged):
            proven_worker({"authorization": sent}, BODY)


def test_the_shared_token_names_no_worker(settings: LazySettings) -> None:
    settings.INTERNAL_API_TOKEN = "t0ken"
    assert proven_worker({"authorization": "Bearer t0ken"}, BODY) is None
    with pytest.raises(Forged):
        proven_worker({"authorization": "Bearer t0kem"}, BODY)
    with pytest.raises(Forged):
        proven_worker({}, BODY)


def test_a_signature_after_many_wrong_ones_is_not_looked_at() -> None:
    worker, secret = create_worker("w")
    sent = headers(worker.id, secret)
    sent["webhook-signature"] = "v1,AAAA " * 8 + sent["webhook-signature"]
    with pytest.raises(Forged):
        proven_worker(sent, BODY)
