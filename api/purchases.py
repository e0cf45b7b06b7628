"""`/api/tokens/packages/` and `purchases/`: what can be bought, and buying it."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.authentication import person
from api.door import answered, send
from api.permissions import Anyone, IsUser
from core.fields import StrictCharField
from core.ids import new_id
from ledger.domain.purchase import PurchaseState, StartPurchase, purchase_stream
from ledger.states import fold


class PackageSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    tokens = serializers.IntegerField()
    price_cents = serializers.IntegerField()
    currency = serializers.CharField()


class PurchaseRequestSerializer(serializers.Serializer[Any]):
    package = StrictCharField(max_length=50)


class PurchaseSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    package = serializers.CharField()
    tokens = serializers.IntegerField()
    price_cents = serializers.IntegerField()
    currency = serializers.CharField()
    provider = serializers.CharField()
    status = serializers.ChoiceField(["started", "paid", "failed", "expired", "refunded"])
    is_disputed = serializers.BooleanField()
    expires_at = serializers.DateTimeField()
    created_at = serializers.DateTimeField()
    paid_at = serializers.DateTimeField(allow_null=True)
    pay_url = serializers.CharField(allow_null=True, help_text="Where the sandbox takes money.")


class PackagesView(APIView):
    """What can be bought."""

    permission_classes = [Anyone]

    @extend_schema(responses=PackageSerializer(many=True))
    def get(self, request: Request) -> Response:
        return Response(
            [
                {"name": name, "tokens": tokens, "price_cents": cents, "currency": "USD"}
                for name, (tokens, cents) in settings.PACKAGES.items()
            ]
        )


class PurchasesView(APIView):
    """Buy a package: its price is the server's; tokens come when the provider confirms."""

    permission_classes = [IsUser]

    @extend_schema(request=PurchaseRequestSerializer, responses={201: PurchaseSerializer})
    def post(self, request: Request) -> Response:
        asked = PurchaseRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        user = person(request)
        command = StartPurchase(
            purchase_id=new_id(user.id), user_id=user.id, package=asked.validated_data["package"]
        )
        accepted = send(request, command)
        return answered(accepted, render(UUID(accepted.stream[-36:]), accepted.state), status=201)


class PurchaseView(APIView):
    """One of one's own purchases."""

    permission_classes = [IsUser]

    @extend_schema(responses=PurchaseSerializer)
    def get(self, request: Request, purchase_id: UUID) -> Response:
        return Response(render(purchase_id, own_purchase(request, purchase_id)))


def own_purchase(request: Request, purchase_id: UUID) -> PurchaseState:
    """Return one's own purchase, from the book; raises 404 for anyone else's."""
    folded, _ = fold(purchase_stream(purchase_id))
    if folded.state is None or folded.state.start.user_id != person(request).id:
        raise Http404
    purchase: PurchaseState = folded.state
    return purchase


def render(purchase_id: UUID, purchase: PurchaseState) -> dict[str, Any]:
    """Return a purchase as the API shows it."""
    start = purchase.start
    is_sandbox = start.provider == "sandbox" and purchase.paid_at is None
    pay_url = f"{settings.PUBLIC_URL}/api/sandbox/purchases/{purchase_id}/pay"
    return {
        "id": purchase_id,
        "package": start.package,
        "tokens": start.tokens,
        "price_cents": start.price_cents,
        "currency": start.currency,
        "provider": start.provider,
        "status": purchase.status.value,
        "is_disputed": purchase.is_disputed,
        "expires_at": start.expires_at,
        "created_at": purchase.started_at,
        "paid_at": purchase.paid_at,
        "pay_url": pay_url if is_sandbox else None,
    }
