"""`/api/generations/quote/`: what a picture would cost; holds nothing."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.authentication import person
from api.permissions import IsUser
from core.fields import StrictUUIDField
from ledger.book import read
from ledger.book.load import load
from ledger.domain import money
from ledger.domain.style import orderable, style_stream
from ledger.states import fold_loaded


class QuoteRequestSerializer(serializers.Serializer[Any]):
    style_id = StrictUUIDField()


class QuoteSerializer(serializers.Serializer[Any]):
    style_id = serializers.UUIDField()
    price = serializers.IntegerField(help_text="Exact, and the most that can be charged.")
    balance = serializers.IntegerField()
    is_affordable = serializers.BooleanField()
    shortfall = serializers.IntegerField()


class QuoteView(APIView):
    """What a picture in a style costs now, and whether one can afford it; holds nothing."""

    permission_classes = [IsUser]

    @extend_schema(request=QuoteRequestSerializer, responses=QuoteSerializer)
    def post(self, request: Request) -> Response:
        asked = QuoteRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        user_id, style_id = person(request).id, asked.validated_data["style_id"]
        account, stream = money.available(user_id), style_stream(style_id)
        loaded = load(
            shard=read.shard_of(user_id), keys=[], streams={stream: 0}, accounts=[account]
        )
        folded = fold_loaded(stream, loaded.streams.get(stream, ()))
        style, _ = orderable(folded.state, user_id=user_id)
        colours = loaded.balances.get(account, {})
        balance = sum(
            amount
            for colour, amount in colours.items()
            if not money.is_expired(colour, now=loaded.now)
        )
        shortfall = max(0, style.price - balance)
        return Response(
            {
                "style_id": style_id,
                "price": style.price,
                "balance": balance,
                "is_affordable": not shortfall,
                "shortfall": shortfall,
            }
        )
