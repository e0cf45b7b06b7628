"""Buying tokens, and what the payment provider may and may not say (design section 8)."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from standardwebhooks.webhooks import Webhook

from api.payments import sign
from tests.callers import Caller, call, code, faults

People = Callable[..., Caller]
HOOK = "/api/webhooks/payments/sandbox"


@pytest.fixture
def ann(person: People) -> Caller:
    return person("ann")


def start(caller: Caller, package: str = "starter", key: str = "p-1") -> Any:
    headers = {"Idempotency-Key": key}
    return caller("POST", "/api/tokens/purchases/", {"package": package}, headers=headers)


def payment(purchase: Any, **changes: Any) -> dict[str, Any]:
    return {
        "type": "payment.paid",
        "payment_key": "pay-1",
        "purchase_id": purchase["id"],
        "amount": purchase["price_cents"],
        "currency": "USD",
    } | changes


def report(body: dict[str, Any]) -> Any:
    signed = sign(body)
    return call("POST", HOOK, signed.body, headers=signed.headers)


def balance(caller: Caller) -> int:
    total: int = caller("GET", "/api/tokens/balance/").json()["balance"]
    return total


def test_packages_are_for_everyone_to_read() -> None:
    packages = {one["name"]: one for one in call("GET", "/api/tokens/packages/").json()}
    assert packages["plus"] == {
        "name": "plus",
        "tokens": 2_200,
        "price_cents": 2_000,
        "currency": "USD",
    }


def test_a_paid_purchase_issues_its_tokens_once(ann: Caller) -> None:
    """G7: another webhook id for the same payment, and the same webhook again."""
    purchase = start(ann).json()
    assert (purchase["status"], balance(ann)) == ("started", 0)
    signed = sign(payment(purchase))

    told = [call("POST", HOOK, signed.body, headers=signed.headers).json() for _ in range(2)]
    told.append(report(payment(purchase)).json())

    assert [one["disposition"] for one in told] == ["applied", "duplicate", "duplicate"]
    assert balance(ann) == 500
    detail = ann("GET", f"/api/tokens/purchases/{purchase['id']}/").json()
    assert (detail["status"], detail["pay_url"]) == ("paid", None)


def test_the_sandbox_pays_and_fails(ann: Caller) -> None:
    paid, failed = start(ann).json(), start(ann, "plus", "p-2").json()

    ann("POST", f"/api/sandbox/purchases/{paid['id']}/pay", {})
    ann("POST", f"/api/sandbox/purchases/{failed['id']}/pay", {"outcome": "failed"})

    assert balance(ann) == 500
    detail = ann("GET", f"/api/tokens/purchases/{failed['id']}/").json()
    assert detail["status"] == "failed"


@pytest.mark.parametrize(
    "changes", [{"amount": 499}, {"amount": 501}, {"currency": "EUR"}, {"amount": 0}]
)
def test_another_amount_or_currency_issues_nothing(ann: Caller, changes: dict[str, Any]) -> None:
    purchase = start(ann).json()

    assert report(payment(purchase, **changes)).json()["disposition"] == "applied"

    detail = ann("GET", f"/api/tokens/purchases/{purchase['id']}/").json()
    assert (detail["status"], detail["is_disputed"]) == ("started", True)
    assert balance(ann) == 0


def test_a_refunded_payment_takes_its_tokens_back_once(ann: Caller) -> None:
    """G7."""
    purchase = start(ann).json()
    report(payment(purchase))
    assert balance(ann) == 500
    back = payment(purchase, type="payment.refunded", reason="chargeback")
    assert report(back).json()["disposition"] == "applied"
    assert report(back).json()["disposition"] == "duplicate"
    assert balance(ann) == 0
    assert report(payment(purchase)).json()["disposition"] == "duplicate"
    assert balance(ann) == 0
    unknown = payment(purchase, type="payment.refunded", purchase_id=str(uuid4()))
    assert code(report(unknown)) == (404, "purchase_not_found")


def test_a_forged_or_old_report_is_401(ann: Caller) -> None:
    body = json.dumps(payment(start(ann).json())).encode()
    now = datetime.now(UTC)
    old = now - timedelta(seconds=301)
    secret = settings.PAYMENT_WEBHOOK_SECRET

    def headers(at: datetime, signature: str) -> dict[str, str]:
        return {
            "webhook-id": "m",
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": signature,
        }

    forged = [
        {},
        headers(now, ""),
        headers(now, "v1,AAAA"),
        headers(now, "v1,\xff"),
        headers(now, Webhook("QUFBQQ==").sign("m", now, body.decode())),
        headers(old, Webhook(secret).sign("m", old, body.decode())),
        headers(now, Webhook(secret).sign("other", now, body.decode())),
        headers(now, Webhook(secret).sign("m", now, body.decode() + " ")),
    ]
    for one in forged:
        assert code(call("POST", HOOK, body, headers=one)) == (401, "invalid_signature")
    assert balance(ann) == 0


def test_a_signed_report_of_another_form_is_refused(ann: Caller) -> None:
    purchase = start(ann).json()
    assert "amount" in faults(report(payment(purchase, amount="500")))
    assert "type" in faults(report(payment(purchase, type="payment.stolen")))
    for raw in (b"{", b'{"a": NaN}', b"[" * 2_000 + b"]" * 2_000):
        now = datetime.now(UTC)
        signature = Webhook(settings.PAYMENT_WEBHOOK_SECRET).sign("m", now, raw.decode())
        told = {"webhook-id": "m", "webhook-timestamp": str(int(now.timestamp()))}
        headers = told | {"webhook-signature": signature}
        assert code(call("POST", HOOK, raw, headers=headers)) == (400, "malformed_json")
    signed = sign(payment(purchase))
    assert call("POST", "/api/webhooks/payments/other", signed.body).status_code == 404
    assert balance(ann) == 0


def test_a_payment_of_an_unknown_purchase_is_404(ann: Caller) -> None:
    purchase = start(ann).json() | {"id": str(ann.user.id)}
    assert code(report(payment(purchase))) == (404, "purchase_not_found")


def test_a_webhook_id_is_used_for_one_body(ann: Caller) -> None:
    """G7."""
    purchase = start(ann).json()
    now = datetime.now(UTC)
    codes = []
    for amount in (500, 400):
        body = json.dumps(payment(purchase, amount=amount))
        headers = {
            "webhook-id": "msg_same",
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(settings.PAYMENT_WEBHOOK_SECRET).sign(
                "msg_same", now, body
            ),
        }
        codes.append(call("POST", HOOK, body.encode(), headers=headers).status_code)
    assert codes == [200, 409]
    assert balance(ann) == 500


def test_an_unknown_package_is_refused(ann: Caller) -> None:
    assert code(start(ann, "gold")) == (422, "unknown_package")


def test_another_users_purchase_is_404(ann: Caller, person: People) -> None:
    """G13."""
    purchase = start(ann).json()
    ben = person("ben")
    assert ben("GET", f"/api/tokens/purchases/{purchase['id']}/").status_code == 404
    assert ben("POST", f"/api/sandbox/purchases/{purchase['id']}/pay", {}).status_code == 404
    assert balance(ann) == 0
