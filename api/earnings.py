"""`/api/tokens/earnings/` and `payouts/`: what artists have earned, claim, and have paid out."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.authentication import person
from api.door import answered, send
from api.idempotency import idempotency_key
from api.permissions import IsArtist, IsArtistOrOperator, IsOperator
from core.fields import ParagraphField, StrictCharField, StrictIntegerField
from core.ids import new_id
from core.models import Role
from core.sealing import seal
from ledger.book.load import load
from ledger.book.read import shard_of
from ledger.domain import money
from ledger.domain.earnings import (
    ClaimEarnings,
    PayoutState,
    PayoutStatus,
    PayPayout,
    RequestPayout,
    ReturnPayout,
)
from ledger.domain.errors import UnknownPayout
from ledger.domain.events import Sealed
from ledger.orders import Accepted
from ledger.requests import TokensField
from ledger.states import fold
from projections.open_accounts import open_balance

MAX_CENTS = 100_000_000_000
MAX_DESTINATION_CHARACTERS = 500


class EarningsSerializer(serializers.Serializer[Any]):
    pending = serializers.DictField(
        child=serializers.IntegerField(), help_text="By colour; still inside the refund window."
    )
    earned = serializers.DictField(child=serializers.IntegerField(), help_text="Cleared.")
    payout = serializers.DictField(
        child=serializers.IntegerField(), help_text="Set aside for payouts under way."
    )


class ClaimRequestSerializer(serializers.Serializer[Any]):
    amount = TokensField(default=None, allow_null=True, help_text="All, when it is left out.")
    colour = serializers.ChoiceField(
        [money.PROMO, money.PAID], default=None, allow_null=True, help_text="Promo first."
    )


class ClaimedSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    amount = serializers.IntegerField()
    colours = serializers.DictField(child=serializers.IntegerField())
    created_at = serializers.DateTimeField()


class PayoutRequestSerializer(serializers.Serializer[Any]):
    amount = TokensField(help_text="Of paid colour.")
    destination = ParagraphField(
        max_length=MAX_DESTINATION_CHARACTERS, default="", allow_blank=True
    )


class PayoutSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    artist_id = serializers.UUIDField()
    amount = serializers.IntegerField()
    status = serializers.ChoiceField([one.value for one in PayoutStatus])
    reference = serializers.CharField(allow_null=True)
    amount_cents = serializers.IntegerField(allow_null=True)
    currency = serializers.CharField(allow_null=True)
    reason = serializers.CharField(allow_null=True, help_text="Why it was returned.")
    created_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)


class PayRequestSerializer(serializers.Serializer[Any]):
    reference = StrictCharField(max_length=200)
    amount_cents = StrictIntegerField(min_value=0, max_value=MAX_CENTS)
    currency = serializers.RegexField(r"^[A-Z]{3}\Z")


class ReturnRequestSerializer(serializers.Serializer[Any]):
    reason = serializers.RegexField(r"^[a-z][a-z0-9_]{0,63}\Z", help_text="A code.")


class EarningsView(APIView):
    """What one has earned: pending, cleared, and on its way out; exact."""

    permission_classes = [IsArtist]

    @extend_schema(responses=EarningsSerializer)
    def get(self, request: Request) -> Response:
        artist_id = person(request).id
        earned, payout = money.earned(artist_id), money.payout(artist_id)
        loaded = load(
            shard=shard_of(artist_id), keys=[], streams={}, accounts=[earned, payout]
        ).balances
        return Response(
            {
                "pending": open_balance(money.pending(artist_id)),
                "earned": _nonzero(loaded.get(earned, {})),
                "payout": _nonzero(loaded.get(payout, {})),
            }
        )


class ClaimView(APIView):
    """Take cleared earnings into one's own wallet."""

    permission_classes = [IsArtist]

    @extend_schema(request=ClaimRequestSerializer, responses={201: ClaimedSerializer})
    def post(self, request: Request) -> Response:
        given = _asked(request, ClaimRequestSerializer)
        artist_id = person(request).id
        command = ClaimEarnings(claim_id=new_id(artist_id), artist_id=artist_id, **given)
        accepted = send(request, command)
        claim = accepted.state.claim
        body = {
            "id": UUID(accepted.stream[-36:]),
            "amount": claim.amount,
            "colours": dict(claim.colours),
            "created_at": accepted.state.claimed_at,
        }
        return answered(accepted, body, status=201)


class PayoutsView(APIView):
    """Have cleared paid earnings paid out in money."""

    permission_classes = [IsArtist]

    @extend_schema(request=PayoutRequestSerializer, responses={201: PayoutSerializer})
    def post(self, request: Request) -> Response:
        given = _asked(request, PayoutRequestSerializer)
        artist_id, destination = person(request).id, given["destination"]
        command = RequestPayout(
            payout_id=new_id(artist_id),
            artist_id=artist_id,
            amount=given["amount"],
            destination=Sealed(*seal(artist_id, destination)) if destination else None,
        )
        return _answered(send(request, command), status=201)


class PayoutView(APIView):
    """Where a payout stands."""

    permission_classes = [IsArtistOrOperator]

    @extend_schema(responses=PayoutSerializer)
    def get(self, request: Request, payout_id: UUID) -> Response:
        asker = person(request)
        state = fold(f"payout-{payout_id}")[0].state
        is_visible = state is not None and (
            asker.role == Role.OPERATOR or state.request.artist_id == asker.id
        )
        if not is_visible:
            raise UnknownPayout
        return Response(_render(payout_id, state))


class PayView(APIView):
    """Note that the money of a payout was sent."""

    permission_classes = [IsOperator]

    @extend_schema(request=PayRequestSerializer, responses=PayoutSerializer)
    def post(self, request: Request, payout_id: UUID) -> Response:
        given = _asked(request, PayRequestSerializer)
        return _answered(send(request, PayPayout(payout_id=payout_id, **given)))


class ReturnView(APIView):
    """Give an open payout back to the artist's earnings."""

    permission_classes = [IsOperator]

    @extend_schema(request=ReturnRequestSerializer, responses=PayoutSerializer)
    def post(self, request: Request, payout_id: UUID) -> Response:
        given = _asked(request, ReturnRequestSerializer)
        return _answered(send(request, ReturnPayout(payout_id=payout_id, **given)))


def _asked(request: Request, form: type[serializers.Serializer[Any]]) -> dict[str, Any]:
    """Return the valid body; a missing key is told before any field."""
    idempotency_key(request)
    asked = form(data=request.data)
    asked.is_valid(raise_exception=True)
    given: dict[str, Any] = asked.validated_data
    return given


def _nonzero(colours: dict[str, int]) -> dict[str, int]:
    return {colour: amount for colour, amount in colours.items() if amount}


def _answered(accepted: Accepted, *, status: int = 200) -> Response:
    body = _render(UUID(accepted.stream[-36:]), accepted.state)
    return answered(accepted, body, status=status)


def _render(payout_id: UUID, state: PayoutState) -> dict[str, Any]:
    paid, returned = state.paid, state.returned
    return {
        "id": payout_id,
        "artist_id": state.request.artist_id,
        "amount": state.request.amount,
        "status": state.status.value,
        "reference": paid and paid.reference,
        "amount_cents": paid and paid.amount_cents,
        "currency": paid and paid.currency,
        "reason": returned and returned.reason,
        "created_at": state.requested_at,
        "closed_at": state.closed_at,
    }
