"""`/api/tokens/`: balance, statement, transfers, and grants by operators."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.authentication import person
from api.door import answered, send
from api.pagination import Page
from api.permissions import IsOperator, IsUser
from api.positions import wait_until_projected
from api.schema import paged
from core.sealing import open_many
from ledger.book.load import load
from ledger.book.read import shard_of
from ledger.book.wallet import Wallet, explained
from ledger.domain import money
from ledger.requests import (
    GrantRequestSerializer,
    TransferRequestSerializer,
    grant,
    moved,
    transfer,
    wallets,
)
from projections.statement import Place, StatementProjector, Transaction, transactions


class ColourSerializer(serializers.Serializer[Any]):
    colour = serializers.CharField(help_text="paid, promo, or promo@ with its last day (UTC).")
    amount = serializers.IntegerField()
    expires_on = serializers.DateField(allow_null=True)


class BalanceSerializer(serializers.Serializer[Any]):
    balance = serializers.IntegerField(help_text="Tokens that can be spent now.")
    available = serializers.IntegerField(help_text="The same as `balance`.")
    held = serializers.IntegerField(help_text="Tokens set aside for running jobs.")
    colours = ColourSerializer(many=True)


class MovementSumSerializer(serializers.Serializer[Any]):
    type = serializers.CharField(help_text="As in the statement.")
    amount = serializers.IntegerField(help_text="All of this type together, signed.")


class HoldSerializer(serializers.Serializer[Any]):
    related = serializers.DictField()
    amount = serializers.IntegerField()
    since = serializers.DateTimeField()


class ExplanationSerializer(serializers.Serializer[Any]):
    movements = MovementSumSerializer(many=True)
    lapsed = serializers.IntegerField(
        help_text="Promo tokens whose last day is over; `available` is the movements less these."
    )
    holds = HoldSerializer(many=True, help_text="What `held` is made of, the newest 100.")
    more_holds = serializers.IntegerField(help_text="Open holds beyond those.")
    more_held = serializers.IntegerField(help_text="Their tokens.")


class ExplainedBalanceSerializer(BalanceSerializer):
    explanation = ExplanationSerializer(required=False, help_text="With `explain=true`.")


class BalanceQuerySerializer(serializers.Serializer[Any]):
    explain = serializers.BooleanField(default=False, help_text="Tell how it came to be.")


class TransactionSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(help_text="Position in the book.")
    type = serializers.CharField()
    amount = serializers.IntegerField(help_text="Signed.")
    colour = serializers.CharField()
    balance_after = serializers.IntegerField()
    related = serializers.DictField()
    memo = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()


class MovedSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    user_id = serializers.UUIDField()
    recipient_id = serializers.UUIDField(required=False)
    amount = serializers.IntegerField()
    colour = serializers.CharField()
    created_at = serializers.DateTimeField()


class BalanceView(APIView):
    """One's own tokens, exact at this moment."""

    permission_classes = [IsUser]

    @extend_schema(parameters=[BalanceQuerySerializer], responses=ExplainedBalanceSerializer)
    def get(self, request: Request) -> Response:
        asked = BalanceQuerySerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        user_id = person(request).id
        spendable, held = money.available(user_id), money.held(user_id)
        if asked.validated_data["explain"]:
            return Response(_explained(explained(available=spendable, held=held)))
        loaded = load(shard=shard_of(user_id), keys=[], streams={}, accounts=[spendable, held])
        colours = _usable(loaded.balances.get(spendable, {}), loaded.now)
        return Response(_balance(colours, held=sum(loaded.balances.get(held, {}).values())))


def _balance(colours: dict[str, int], *, held: int) -> dict[str, Any]:
    total = sum(colours.values())
    return {
        "balance": total,
        "available": total,
        "held": held,
        "colours": [
            {"colour": colour, "amount": colours[colour], "expires_on": _last_day(colour)}
            for colour in sorted(colours, key=money.burn_rank)
        ],
    }


def _explained(wallet: Wallet) -> dict[str, Any]:
    colours = _usable(wallet.colours, timezone.now())
    return _balance(colours, held=wallet.held) | {
        "explanation": {
            "movements": [
                {"type": verb, "amount": amount} for verb, amount in wallet.movements.items()
            ],
            "lapsed": sum(wallet.colours.values()) - sum(colours.values()),
            "holds": [
                {"related": _related(hold.stream), "amount": hold.amount, "since": hold.since}
                for hold in wallet.holds
            ],
            "more_holds": wallet.more_holds,
            "more_held": wallet.more_held,
        }
    }


def _related(stream: str) -> dict[str, Any]:
    return {"kind": stream[:-37], "id": UUID(stream[-36:])}


def _usable(colours: dict[str, int], now: datetime) -> dict[str, int]:
    return {
        colour: amount
        for colour, amount in colours.items()
        if amount and not money.is_expired(colour, now=now)
    }


def _last_day(colour: str) -> date | None:
    return date.fromisoformat(colour.partition("@")[2]) if money.is_expiring(colour) else None


class TransactionsView(APIView):
    """One's own statement, newest first."""

    permission_classes = [IsUser]

    @extend_schema(responses=paged(TransactionSerializer))
    def get(self, request: Request) -> Response:
        page = Page.of(request, "tokens/transactions")
        wait_until_projected(request, StatementProjector)
        rows = transactions(
            money.available(person(request).id), limit=page.limit + 1, before=_place(page)
        )
        memos = open_many(
            [(row.row.memo, row.row.memo_key) for row in rows if row.row.memo and row.row.memo_key]
        )
        texts = iter(memos)
        shown = [(row, next(texts) if row.row.memo and row.row.memo_key else None) for row in rows]
        return Response(page.answer(shown, key=_key, render=_render))


def _place(page: Page) -> Place | None:
    if page.after is None:
        return None
    micros, shard, position, line = (int(part) for part in page.after)
    at = datetime.fromtimestamp(0, UTC) + _MICROSECOND * micros
    return Place(at, shard, position, line)


_MICROSECOND = datetime.resolution


def _key(row: tuple[Transaction, str | None]) -> tuple[int, int, int, int]:
    place = row[0].place
    micros = (place.created_at - datetime.fromtimestamp(0, UTC)) // _MICROSECOND
    return micros, place.shard, place.position, place.line


def _render(shown: tuple[Transaction, str | None]) -> dict[str, Any]:
    (row, balance_after), memo = shown
    return {
        "id": f"{row.shard}-{row.position}",
        "type": row.type,
        "amount": row.amount,
        "colour": row.colour,
        "balance_after": balance_after,
        "related": {"kind": row.related_kind, "id": row.related_id},
        "memo": memo,
        "created_at": row.created_at,
    }


class TransfersView(APIView):
    """Send paid tokens to another user."""

    permission_classes = [IsUser]

    @extend_schema(request=TransferRequestSerializer, responses={201: MovedSerializer})
    def post(self, request: Request) -> Response:
        asked = TransferRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        has_wallet = bool(wallets([given["recipient_id"]]))
        accepted = send(request, transfer(person(request).id, given, has_wallet=has_wallet))
        return answered(accepted, moved(accepted), status=201)


class GrantsView(APIView):
    """Give tokens to a user (operators)."""

    permission_classes = [IsOperator]

    @extend_schema(request=GrantRequestSerializer, responses={201: MovedSerializer})
    def post(self, request: Request) -> Response:
        asked = GrantRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        has_wallet = bool(wallets([given["user_id"]]))
        accepted = send(request, grant(person(request).id, given, has_wallet=has_wallet))
        return answered(accepted, moved(accepted), status=201)
