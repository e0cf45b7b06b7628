"""A write over HTTP: through the door once, however often it is sent (G7)."""

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import path
from pytest_django import Settings
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.authentication import person as asking
from api.door import answered, send
from api.permissions import IsUser
from api.welcome import grant_welcome
from core.fields import StrictUUIDField
from core.ids import new_id
from core.keys import issue
from core.models import User
from ledger.book.read import shard_of
from ledger.domain.wallet import TransferTokens
from ledger.requests import TokensField
from tests.callers import Caller, code

SEND = "/send/"


class SendSerializer(serializers.Serializer[Any]):
    recipient_id = StrictUUIDField()
    amount = TokensField()


class SendView(APIView):
    """The smallest view that writes."""

    permission_classes = [IsUser]

    def post(self, request: Request) -> Response:
        asked = SendSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        user = asking(request)
        command = TransferTokens(
            transfer_id=new_id(user.id), user_id=user.id, **asked.validated_data
        )
        accepted = send(request, command)
        return answered(accepted, {"stream": accepted.stream}, status=201)


urlpatterns = [path("send/", SendView.as_view())]


@pytest.fixture
def mina(person: Callable[..., Caller], settings: Settings) -> Caller:
    settings.ROOT_URLCONF = __name__
    return person()


def body(amount: Any = 5) -> dict[str, Any]:
    return {"recipient_id": str(new_id()), "amount": amount}


def once(name: str) -> dict[str, str]:
    return {"Idempotency-Key": name}


def give_paid(user_id: UUID, amount: int) -> None:
    """Mint paid tokens, which transfers move."""
    from ledger.domain.money import PAID
    from ledger.domain.wallet import GrantTokens
    from ledger.handlers import handle
    from ledger.orders import Accepted, Context, Order

    command = GrantTokens(
        grant_id=new_id(user_id), user_id=user_id, amount=amount, colour=PAID, reason="test"
    )
    (result,) = handle([Order(command, Context(actor="system"))])
    assert isinstance(result, Accepted)


def events() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM event")
        return int(cursor.fetchone()[0])


def test_a_write_answers_with_its_position(mina: Caller) -> None:
    give_paid(mina.user.id, 10)

    response = mina("POST", SEND, body(), headers=once("a"))

    assert response.status_code == 201
    assert response["Ledger-Position"] == f"{shard_of(mina.user.id)}-2"
    assert "Idempotent-Replayed" not in response


def test_the_same_request_again_gets_the_first_answer(mina: Caller) -> None:
    give_paid(mina.user.id, 10)
    wish = body()

    first = mina("POST", SEND, wish, headers=once("a"))
    again = mina("POST", SEND, wish, headers=once("a"))

    assert again["Idempotent-Replayed"] == "true"
    assert again.content == first.content
    assert again["Ledger-Position"] == first["Ledger-Position"]
    assert events() == 2


def test_a_remembered_refusal_is_repeated_and_says_so(mina: Caller) -> None:
    wish = {"recipient_id": str(mina.user.id), "amount": 5}

    first = mina("POST", SEND, wish, headers=once("a"))
    again = mina("POST", SEND, wish, headers=once("a"))

    assert code(first) == code(again) == (422, "self_transfer")
    assert "Idempotent-Replayed" not in first
    assert again["Idempotent-Replayed"] == "true"
    assert again.json()["error"] | {"request_id": ""} == first.json()["error"] | {"request_id": ""}


def test_the_same_key_for_another_body_is_refused(mina: Caller) -> None:
    give_paid(mina.user.id, 10)
    mina("POST", SEND, body(), headers=once("a"))

    assert code(mina("POST", SEND, body(), headers=once("a"))) == (422, "idempotency_key_reused")


def test_the_key_is_ones_own(mina: Caller) -> None:
    """G13: another's key with the same text is another key, in the same shard too."""
    user = User.objects.create(id=new_id(mina.user.id), username="jun", email="jun@example.org")
    jun = Caller(user, issue(user)[1])
    wish = body()
    give_paid(mina.user.id, 10)
    give_paid(jun.user.id, 10)

    assert mina("POST", SEND, wish, headers=once("a")).status_code == 201
    second = jun("POST", SEND, wish, headers=once("a"))

    assert second.status_code == 201
    assert "Idempotent-Replayed" not in second


@pytest.mark.parametrize(
    ("headers", "expected"),
    [({}, "idempotency_key_required"), (once("a b"), "idempotency_key_invalid")],
)
def test_a_write_without_a_good_key_writes_nothing(
    mina: Caller, headers: dict[str, str], expected: str
) -> None:
    assert code(mina("POST", SEND, body(), headers=headers)) == (400, expected)
    assert events() == 0


def test_too_few_tokens_is_a_402_with_the_shortfall(mina: Caller) -> None:
    refused = mina("POST", SEND, body(50), headers=once("a") | {"Accept-Language": "ko"})

    assert code(refused) == (402, "insufficient_tokens")
    error = refused.json()["error"]
    assert error["message"] == "토큰이 부족합니다."
    assert error["details"] == {"required": 50, "available": 0, "shortfall": 50}
    assert error["retryable"] is False
    assert events() == 0


def test_a_write_costs_one_query_for_the_key_and_two_for_the_book(mina: Caller) -> None:
    give_paid(mina.user.id, 10)
    mina("POST", SEND, body(), headers=once("a"))

    with CaptureQueriesContext(connection) as queries:
        mina("POST", SEND, body(), headers=once("b"))

    assert len(queries) == 3, [query["sql"][:100] for query in queries]


def test_the_request_and_its_trace_are_kept_with_the_event(mina: Caller) -> None:
    give_paid(mina.user.id, 10)
    trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"

    headers = {"traceparent": trace, "X-Request-ID": "01980000000070008000000000000000"}
    mina("POST", SEND, body(), headers=once("a") | headers)
    mina("POST", SEND, body(), headers=once("b") | {"traceparent": "x", "X-Request-ID": "mine"})

    with connection.cursor() as cursor:
        cursor.execute("SELECT metadata::json FROM event ORDER BY position OFFSET 1")
        kept = [row for (row,) in cursor.fetchall()]
    assert kept[0]["traceparent"] == trace
    assert kept[0]["correlation_id"] == "01980000-0000-7000-8000-000000000000"
    assert kept[0]["actor"] == f"user/{mina.user.id}"
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-00", kept[1]["traceparent"])


def test_the_welcome_grant_is_no_paid_token(mina: Caller) -> None:
    grant_welcome(mina.user)

    refused = mina("POST", SEND, body(), headers=once("a"))

    assert code(refused) == (402, "insufficient_tokens")
