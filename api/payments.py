"""Payments: the provider's signed webhook, and the sandbox that stands in for a provider.

The sandbox takes no money; it signs and sends the same webhook that a real provider would.
"""

import json
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from django.conf import settings
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from api.errors import Problem
from api.permissions import Anyone, IsUser
from api.positions import add_positions
from api.purchases import own_purchase
from core.fields import StrictCharField, StrictIntegerField, StrictUUIDField
from core.ids import new_id
from ledger.domain.change import Disposition
from ledger.domain.errors import UnknownPurchase
from ledger.domain.purchase import (
    ConfirmPayment,
    FailPayment,
    RefundPayment,
    purchase_stream,
)
from ledger.handlers import handle
from ledger.orders import Accepted, Context, Key, KeyReused, Order, Refused
from ledger.states import fold

MAX_CENTS = 100_000_000


class PaymentSerializer(serializers.Serializer[Any]):
    type = serializers.ChoiceField(["payment.paid", "payment.failed", "payment.refunded"])
    payment_key = StrictCharField(max_length=200)
    purchase_id = StrictUUIDField()
    amount = StrictIntegerField(min_value=0, max_value=MAX_CENTS, help_text="In cents.")
    currency = serializers.RegexField(r"^[A-Z]{3}\Z")
    code = serializers.RegexField(r"^[a-z][a-z0-9_]{0,63}\Z", default="payment_failed")
    reason = serializers.ChoiceField(["refund", "chargeback"], default="refund")


class SandboxSerializer(serializers.Serializer[Any]):
    outcome = serializers.ChoiceField(["paid", "failed"], default="paid")


class DispositionSerializer(serializers.Serializer[Any]):
    status = serializers.CharField()
    disposition = serializers.ChoiceField([one.value for one in Disposition])


class Signed(NamedTuple):
    """A webhook as it comes over the wire: Standard Webhooks headers and the raw body."""

    headers: dict[str, str]
    body: bytes


def sign(body: dict[str, Any]) -> Signed:
    """Return `body` signed as the provider signs it."""
    raw, webhook_id, now = json.dumps(body), f"msg_{new_id()}", datetime.now(UTC)
    signature = Webhook(settings.PAYMENT_WEBHOOK_SECRET).sign(webhook_id, now, raw)
    return Signed(
        {
            "webhook-id": webhook_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signature,
        },
        raw.encode(),
    )


def receive(provider: str, signed: Signed) -> Accepted:
    """Take one payment webhook (G7).

    Raises 401 for a forged or old one, and what the door refuses.
    """
    try:
        Webhook(settings.PAYMENT_WEBHOOK_SECRET).verify(
            signed.body, signed.headers, json_parse=False
        )
    except (WebhookVerificationError, UnicodeDecodeError, ValueError):
        raise Problem(401, "invalid_signature") from None
    told = PaymentSerializer(data=_decoded(signed.body))
    told.is_valid(raise_exception=True)
    key = Key(
        scope=f"provider/{provider}",
        key=signed.headers["webhook-id"][:255],
        fingerprint=json.dumps(told.data, sort_keys=True),
    )
    order = Order(_command(told.validated_data), Context(actor=f"provider/{provider}", key=key))
    (result,) = handle([order])
    if isinstance(result, Refused):
        raise (
            Problem(409, "webhook_id_reused")
            if isinstance(result.error, KeyReused)
            else result.error
        )
    return result


def _decoded(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise Problem(400, "malformed_json") from None


def _command(told: dict[str, Any]) -> ConfirmPayment | FailPayment | RefundPayment:
    purchase_id, payment_key = told["purchase_id"], told["payment_key"]
    if told["type"] == "payment.failed":
        return FailPayment(purchase_id=purchase_id, payment_key=payment_key, code=told["code"])
    if told["type"] == "payment.refunded":
        return RefundPayment(
            purchase_id=purchase_id,
            user_id=_buyer(purchase_id),
            payment_key=payment_key,
            amount_cents=told["amount"],
            currency=told["currency"],
            reason=told["reason"],
        )
    return ConfirmPayment(
        purchase_id=purchase_id,
        payment_key=payment_key,
        amount_cents=told["amount"],
        currency=told["currency"],
    )


def _buyer(purchase_id: UUID) -> UUID:
    """Return whose wallet the tokens of a purchase went to. Raises UnknownPurchase."""
    purchase = fold(purchase_stream(purchase_id))[0].state
    if purchase is None:
        raise UnknownPurchase
    user_id: UUID = purchase.start.user_id
    return user_id


def _answer(accepted: Accepted) -> Response:
    disposition = Disposition.DUPLICATE if accepted.replayed else accepted.disposition
    response = Response({"status": "ok", "disposition": disposition})
    if accepted.position:
        add_positions(response, [accepted.position])
    return response


class PaymentWebhookView(APIView):
    """What the payment provider reports, signed (Standard Webhooks)."""

    authentication_classes = []
    permission_classes = [Anyone]  # the signature is the permission
    throttle_classes = []

    @extend_schema(request=PaymentSerializer, responses=DispositionSerializer)
    def post(self, request: Request, provider: str) -> Response:
        if provider != settings.PAYMENT_PROVIDER:
            raise Http404
        names = ("webhook-id", "webhook-timestamp", "webhook-signature")
        headers = {name: request.headers.get(name, "") for name in names}
        return _answer(receive(provider, Signed(headers, request.body)))


class SandboxPayView(APIView):
    """Pay one's own purchase in the sandbox, or let the payment fail."""

    permission_classes = [IsUser]

    @extend_schema(request=SandboxSerializer, responses=DispositionSerializer)
    def post(self, request: Request, purchase_id: UUID) -> Response:
        if settings.PAYMENT_PROVIDER != "sandbox":
            raise Http404
        asked = SandboxSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        start = own_purchase(request, purchase_id).start
        outcome = asked.validated_data["outcome"]
        payment = {
            "type": f"payment.{outcome}",
            "payment_key": f"sandbox-{outcome}-{purchase_id}",
            "purchase_id": str(purchase_id),
            "amount": start.price_cents,
            "currency": start.currency,
        }
        return _answer(receive("sandbox", sign(payment)))
