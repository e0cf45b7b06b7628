"""What clients ask for on `ledger.commands`: carried out once, answered, or put aside (G7, G13)."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.conf import LazySettings
from django.db import OperationalError, connection, connections
from django.utils import timezone

from consumers import commands, forms
from consumers.broker import Message, Settlement
from core import maintenance
from core.ids import new_id
from core.keys import issue
from core.models import ApiKey, Role
from ledger import handlers
from ledger.book import read
from ledger.domain.money import available
from ledger.orders import Busy, Refused
from tests.callers import call
from tests.integration.consumers.clients import ACK, Client, Taken, dead, said
from tests.jobs import Worker, give, granted, trained_style

pytestmark = pytest.mark.usefixtures("database")
LATER = Settlement(verdict="defer", delay_seconds=1.0)


@pytest.fixture
def ann() -> Client:
    return Client("ann", tokens=1_000)


@pytest.fixture
def ben() -> Client:
    return Client("ben")


@pytest.fixture
def olga() -> Client:
    return Client("olga", Role.OPERATOR)


@pytest.fixture(autouse=True)
def no_maintenance() -> Iterator[None]:
    """Forget what another test's database said."""
    maintenance._cache.clear()
    yield
    maintenance._cache.clear()


def rest(client: Client, path: str, body: Any = None, key: str | None = None) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return call("POST", path, body, key=client.key, headers=headers)


def without(body: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in names}


class TestWhatIsDone:
    def test_a_transfer_moves_tokens_and_is_answered_as_over_http(
        self, ann: Client, ben: Client
    ) -> None:
        message = ann.transfer(ben, 30, reply_to="answers")
        taken = Taken(message)

        assert taken.only == ACK
        assert (ann.paid, ben.paid) == (970, 30)
        ((queue, answer),) = taken.answers
        assert (queue, answer.type) == ("answers", "command.answer")
        assert answer.correlation_id == message.id
        over_http = rest(ann, "/api/tokens/transfers/", json.loads(message.body), "other")
        told = said(answer)
        assert without(told, "body") == {
            "version": 1,
            "status": over_http.status_code,
            "replayed": False,
            "ledger_position": told["ledger_position"],
        }
        assert without(told["body"], "id", "created_at") == without(
            over_http.json(), "id", "created_at"
        )
        assert told["body"].keys() == over_http.json().keys()

    def test_what_is_done_says_who_asked_and_as_which_request(
        self, ann: Client, ben: Client
    ) -> None:
        trace = f"00-{'a' * 32}-{'b' * 16}-01"
        message = ann.transfer(ben, headers=ann.headers | {"traceparent": trace})
        Taken(message, ann.transfer(ben, headers=ann.headers | {"traceparent": "00-no"}))

        first, second = transfers(ann)
        assert first["actor"] == second["actor"] == f"user/{ann.id}"
        assert (first["correlation_id"], first["traceparent"]) == (message.id, trace)
        assert "traceparent" not in second

    def test_an_operator_grants(self, olga: Client, ben: Client) -> None:
        given = {"user_id": str(ben.id), "amount": 7, "colour": "paid", "memo": "for you"}
        taken = Taken(olga.message("tokens.grant", given, reply_to="answers"))

        assert ben.paid == 7
        over_http = rest(olga, "/api/tokens/grants/", given, "other").json()
        assert taken.told["body"].keys() == over_http.keys()

    def test_pictures_are_ordered_cancelled_and_ordered_again(self, ann: Client) -> None:
        style = trained_style(new_id())
        asked = {"style_id": str(style), "prompt": "a fox 🦊", "parameters": {"seed": 7}}
        order = Taken(ann.message("generation.request", asked, reply_to="a")).told

        assert (order["status"], order["body"]["status"]) == (201, "queued")
        over_http = rest(ann, "/api/generations/", asked, "other").json()
        moving = ("id", "links", "created_at", "updated_at", "deadline_at", "billing")
        assert without(order["body"], *moving) == without(over_http, *moving)
        assert ann.paid == 800
        named = {"generation_id": order["body"]["id"]}
        cancelled = Taken(ann.message("generation.cancel", named, reply_to="a")).told
        assert (cancelled["status"], cancelled["body"]["status"]) == (200, "canceled")
        assert ann.paid == 900

        worker = Worker("generation", task_of(over_http["id"]))
        worker.tell("started")
        worker.tell("failed", {"code": "moderation", "retryable": False})
        again = {"generation_id": over_http["id"], "expected_price": 100}
        retried = Taken(ann.message("generation.retry", again, reply_to="a")).told
        assert retried["body"]["retry_of"] == over_http["id"]
        assert retried["body"]["prompt"] == "a fox 🦊"
        assert retried["body"]["parameters"] == order["body"]["parameters"]

    def test_each_order_of_a_batch_is_answered_with_its_own_hold(self, ann: Client) -> None:
        style = trained_style(new_id())
        asked = {"style_id": str(style), "prompt": "a fox"}
        orders = [ann.message("generation.request", asked, reply_to="a") for _ in range(3)]
        answers = [said(answer)["body"] for _, answer in Taken(*orders).answers]

        holds = [answer["billing"]["movements"][0]["id"] for answer in answers]
        assert holds == [
            f"{row.shard}-{row.position}"
            for answer in answers
            for row in read.stream(f"generation-{answer['id']}")
            if row.type == "TokensHeld"
        ]

    def test_what_a_rule_refuses_is_answered_as_over_http(self, ann: Client, ben: Client) -> None:
        message = ann.transfer(ben, 5_000, reply_to="answers")
        taken = Taken(message)

        assert taken.only == ACK
        over_http = rest(ann, "/api/tokens/transfers/", json.loads(message.body), "other")
        assert (taken.told["status"], over_http.status_code) == (402, 402)
        mine, theirs = taken.told["body"]["error"], over_http.json()["error"]
        assert without(mine, "request_id") == without(theirs, "request_id")
        assert mine["request_id"] == message.id

    def test_without_a_wish_for_an_answer_there_is_none(self, ann: Client, ben: Client) -> None:
        taken = Taken(ann.transfer(ben), ann.transfer(ben, 5_000))

        assert set(taken.settled.values()) == {ACK}
        assert taken.answers == []

    def test_what_is_not_ones_own_is_not_there(self, ann: Client, ben: Client) -> None:
        """G13."""
        style = trained_style(new_id())
        theirs = rest(
            ann, "/api/generations/", {"style_id": str(style), "prompt": "a fox"}, "k"
        ).json()["id"]
        for type_ in ("generation.cancel", "generation.retry"):
            for one in (theirs, str(new_id())):
                taken = Taken(ben.message(type_, {"generation_id": one}, reply_to="a"))
                assert taken.only == ACK
                assert taken.told["body"]["error"]["code"] == "generation_not_found"
        assert read.stream(f"generation-{theirs}")[-1].type == "TokensHeld"


class TestRepetition:
    """G7: a message that comes again gets the first answer and moves nothing."""

    def test_a_message_that_is_delivered_again_is_answered_again(
        self, ann: Client, ben: Client
    ) -> None:
        message = ann.transfer(ben, 30, reply_to="answers")
        first, second = Taken(message).told, Taken(message).told

        assert (first["replayed"], second["replayed"]) == (False, True)
        assert first["body"] == second["body"]
        assert ann.paid == 970

    def test_twins_in_one_batch_are_one(self, ann: Client, ben: Client) -> None:
        message = ann.transfer(ben, 30, reply_to="answers")
        one, other = (said(answer) for _, answer in Taken(message, message).answers)

        assert one["body"] == other["body"]
        assert ann.paid == 970

    def test_a_refusal_is_remembered_as_well(self, ann: Client) -> None:
        message = ann.transfer(ann, 30, reply_to="answers")
        first, second = Taken(message).told, Taken(message).told

        assert (first["replayed"], second["replayed"]) == (False, True)
        assert first["body"] == second["body"]
        assert first["body"]["error"]["code"] == "self_transfer"

    @pytest.mark.parametrize("is_http_first", [True, False])
    def test_the_same_request_by_the_other_way_is_the_same(
        self, ann: Client, ben: Client, *, is_http_first: bool
    ) -> None:
        given = {"recipient_id": str(ben.id), "amount": 30, "memo": "rent"}
        message = ann.message("tokens.transfer", given, reply_to="answers")
        if is_http_first:
            over_http = rest(ann, "/api/tokens/transfers/", given, message.id)
            told = Taken(message).told
        else:
            told = Taken(message).told
            over_http = rest(ann, "/api/tokens/transfers/", given, message.id)

        assert told["body"] == over_http.json()
        assert told["replayed"] is is_http_first
        assert (over_http.headers.get("Idempotent-Replayed") == "true") is not is_http_first
        assert ann.paid == 970

    def test_a_job_in_the_path_is_one_in_the_message(self, ann: Client) -> None:
        style = trained_style(new_id())
        asked = {"style_id": str(style), "prompt": "a fox"}
        order = ann.message("generation.request", asked, reply_to="answers")
        ordered = Taken(order).told["body"]
        assert rest(ann, "/api/generations/", asked, order.id).json()["id"] == ordered["id"]

        named = {"generation_id": ordered["id"]}
        cancel = ann.message("generation.cancel", named, reply_to="answers")
        told = Taken(cancel).told
        path = f"/api/generations/{ordered['id']}/"
        assert rest(ann, f"{path}cancel/", None, cancel.id).json() == told["body"]

        retry = ann.message("generation.retry", named | {"expected_price": 5}, reply_to="answers")
        refused = Taken(retry).told["body"]["error"]["code"]
        over_http = rest(ann, f"{path}retry/", {"expected_price": 5}, retry.id)
        assert over_http.headers["Idempotent-Replayed"] == "true"
        assert over_http.json()["error"]["code"] == refused == "not_retryable"

    def test_an_id_that_was_used_for_something_else_is_refused(
        self, ann: Client, ben: Client
    ) -> None:
        message = ann.transfer(ben, 30)
        Taken(message)
        again = Taken(ann.transfer(ben, 31, id=message.id, reply_to="answers"))

        assert again.told["body"]["error"]["code"] == "idempotency_key_reused"
        assert ann.paid == 970

    def test_the_same_id_of_another_client_is_another_request(
        self, ann: Client, ben: Client
    ) -> None:
        give(granted(ben.id, 100))
        Taken(ann.transfer(ben, 30, id="1"), ben.transfer(ann, 5, id="1"))

        assert (ann.paid, ben.paid) == (975, 125)


class TestWhoSendsIt:
    """G13: nobody moves what is not theirs."""

    @pytest.mark.parametrize(
        "headers",
        [
            {"authorization": "Bearer tl_" + "x" * 43},
            {"authorization": "Bearer "},
            {"authorization": "Basic Z3Vlc3Q6Z3Vlc3Q="},
            {"authorization": "tl_" + "x" * 43},
            {"authorization": "Bearer é"},
            {"authorization": 7},
        ],
    )
    def test_a_forged_key_is_put_aside_without_an_answer(
        self, ann: Client, ben: Client, headers: dict[str, Any]
    ) -> None:
        taken = Taken(ann.transfer(ben, headers=headers, reply_to="answers"))

        assert taken.only == dead("invalid_api_key")
        assert (taken.answers, ann.paid) == ([], 1_000)

    def test_without_a_proof_it_is_put_aside(self, ann: Client, ben: Client) -> None:
        taken = Taken(ann.transfer(ben, headers={}, reply_to="answers", sender="shop"))

        assert taken.only == dead("not_proven")
        assert (taken.answers, ann.paid) == ([], 1_000)

    @pytest.mark.parametrize("change", ["revoked", "expired", "inactive"])
    def test_a_key_that_is_good_no_more_is_put_aside(
        self, ann: Client, ben: Client, change: str
    ) -> None:
        now = timezone.now()
        if change == "inactive":
            ann.user.is_active = False
            ann.user.save()
        else:
            changes: dict[str, Any] = {
                "revoked": {"revoked_at": now},
                "expired": {"expires_at": now - timedelta(seconds=1)},
            }
            ApiKey.objects.filter(user=ann.user).update(**changes[change])

        assert Taken(ann.transfer(ben)).only == dead("invalid_api_key")
        assert ann.paid == 1_000

    def test_a_key_without_the_scope_is_told_so(self, ann: Client, ben: Client) -> None:
        _, key = issue(ann.user, scopes=["read"])
        message = ann.transfer(ben, headers={"authorization": f"Bearer {key}"}, reply_to="a")
        taken = Taken(message)

        assert taken.only == dead("scope_missing")
        over_http = call("POST", "/api/tokens/transfers/", {}, key=key)
        assert without(taken.told["body"]["error"], "request_id") == without(
            over_http.json()["error"], "request_id"
        )

    @pytest.mark.parametrize(
        ("role", "type_", "reason"),
        [
            (Role.USER, "tokens.grant", "operator_only"),
            (Role.AUDITOR, "tokens.grant", "operator_only"),
            (Role.OPERATOR, "tokens.transfer", "user_only"),
            (Role.AUDITOR, "generation.request", "user_only"),
        ],
    )
    def test_another_role_is_refused_as_over_http(self, role: str, type_: str, reason: str) -> None:
        client = Client("x", role)
        taken = Taken(client.message(type_, {}, reply_to="answers"))

        assert taken.only == dead(reason)
        path = forms.FORMS[type_].route.removeprefix("POST ") + "/"
        over_http = rest(client, path, {}, "k")
        assert (taken.told["status"], over_http.status_code) == (403, 403)
        assert without(taken.told["body"]["error"], "request_id") == without(
            over_http.json()["error"], "request_id"
        )

    def test_a_user_of_the_broker_is_the_account_that_the_settings_name(
        self, ann: Client, ben: Client, settings: LazySettings
    ) -> None:
        settings.COMMAND_SENDERS = {"shop": "ann", "gone": "nobody"}

        def sent_by(sender: str) -> Settlement:
            return Taken(ann.transfer(ben, 30, headers={}, sender=sender)).only

        assert sent_by("shop") == ACK
        assert sent_by("gone") == sent_by("ann") == sent_by("") == dead("not_proven")
        ann.user.is_active = False
        ann.user.save()
        assert sent_by("shop") == dead("not_proven")
        assert ann.paid == 970

    def test_a_users_key_beside_another_users_proof_is_put_aside(
        self, ann: Client, ben: Client, settings: LazySettings
    ) -> None:
        settings.COMMAND_SENDERS = {"shop": "ann"}

        assert Taken(ann.transfer(ben, sender="shop")).only == ACK
        assert Taken(ben.transfer(ann, sender="shop")).only == dead("another_actor")
        forged = ben.transfer(ann, sender="shop", headers={"authorization": "Bearer x"})
        assert Taken(forged).only == dead("invalid_api_key")

    @pytest.mark.parametrize("actor", ["user/{ben}", "system", "", None, 7, {}])
    def test_another_users_actor_is_put_aside(self, ann: Client, ben: Client, actor: Any) -> None:
        named = actor.format(ben=ben.id) if isinstance(actor, str) else actor
        given = {"recipient_id": str(ben.id), "amount": 1, "actor": named}
        taken = Taken(ann.message("tokens.transfer", given, reply_to="answers"))

        assert taken.only == dead("another_actor")
        assert (taken.told["status"], ann.paid) == (403, 1_000)

    def test_ones_own_actor_may_be_named(self, ann: Client, ben: Client) -> None:
        given = {"recipient_id": str(ben.id), "amount": 1, "actor": f"user/{ann.id}"}
        assert Taken(ann.message("tokens.transfer", given)).only == ACK


class TestBadInput:
    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (b"", "malformed_json"),
            (b"not json", "malformed_json"),
            (b"\xff\x00", "malformed_json"),
            (b'{"version": 1, "amount": NaN}', "malformed_json"),
            (b"[" * 100_000, "malformed_json"),
            (b"[" * 40 + b"]" * 40, "json_too_deep"),
            (b"[]", "malformed_command"),
            (b"null", "malformed_command"),
            (b"{}", "malformed_command"),
            (b'{"version": "1"}', "malformed_command"),
            (b'{"version": true}', "malformed_command"),
            (b'{"version": 0}', "malformed_command"),
            (b'{"version": 1.0}', "malformed_command"),
            (b'{"version": 2}', "future_version"),
            (b'{"version": 1}', "invalid_fields"),
            (b'{"version": 1, "user_id": "x"}', "unknown_field"),
            (b'{"version": 1, "Amount": 5}', "unknown_field"),
        ],
    )
    def test_what_is_no_command_is_a_dead_letter_with_its_reason(
        self, ann: Client, body: bytes, reason: str
    ) -> None:
        taken = Taken(ann.message("tokens.transfer", body, reply_to="answers"))

        assert taken.only == dead(reason)
        error = taken.told["body"]["error"]
        code = "invalid_fields" if reason == "unknown_field" else reason
        assert (error["code"], error["retryable"]) == (code, False)
        assert error["message"]
        assert ann.paid == 1_000

    @pytest.mark.parametrize(
        ("field", "value", "fault"),
        [
            ("amount", "5", "invalid_integer"),
            ("amount", 0, "min_value"),
            ("amount", 10**10, "max_value"),
            ("recipient_id", "nobody", "invalid_uuid"),
            ("memo", "\x07", "control_characters"),
            ("memo", 7, "invalid_string"),
            ("tip", 7, "unknown_field"),
        ],
    )
    def test_faults_of_fields_are_told_as_over_http(
        self, ann: Client, ben: Client, field: str, value: Any, fault: str
    ) -> None:
        given = {"recipient_id": str(ben.id), "amount": 5} | {field: value}
        taken = Taken(ann.message("tokens.transfer", given, reply_to="answers"))

        error = taken.told["body"]["error"]
        assert [one["code"] for one in error["details"][field]] == [fault]
        if fault != "unknown_field":  # which REST does not mind
            over_http = rest(ann, "/api/tokens/transfers/", given, "k").json()["error"]
            assert without(error, "request_id") == without(over_http, "request_id")

    @pytest.mark.parametrize("type_", ["", "tokens", "tokens.steal", "TOKENS.TRANSFER", "x" * 255])
    def test_an_unknown_type_is_a_dead_letter(self, ann: Client, type_: str) -> None:
        taken = Taken(ann.message(type_, {}, reply_to="answers"))

        assert taken.only == dead("unknown_type")
        assert taken.told["body"]["error"]["code"] == "unknown_type"

    @pytest.mark.parametrize(
        ("id_", "reason"), [("", "no_id"), ("a b", "invalid_id"), ("é", "invalid_id")]
    )
    def test_an_id_is_an_idempotency_key(
        self, ann: Client, ben: Client, id_: str, reason: str
    ) -> None:
        taken = Taken(ann.transfer(ben, id=id_, reply_to="answers"))

        assert taken.only == dead(reason)
        assert taken.answers[0][1].correlation_id == id_
        assert ann.paid == 1_000

    def test_what_is_refused_as_no_command_can_be_sent_again_in_order(
        self, ann: Client, ben: Client
    ) -> None:
        """Its id is not spent: REST does not remember such refusals either."""
        message = ann.transfer(ben, 0)
        assert Taken(message).only == dead("invalid_fields")
        assert Taken(ann.transfer(ben, 5, id=message.id)).only == ACK


class TestBatches:
    def test_one_poison_message_among_two_hundred_spoils_no_other(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One append a shard, whoever sent what."""
        clients = [Client(tokens=500, shard=number % 4) for number in range(8)]
        good = [clients[n % 8].transfer(clients[(n + 3) % 8], n % 5 + 1) for n in range(199)]
        poison = replace(good[0], id="poison", body=b"\x00")
        appended: list[int] = []
        whole = handlers.append

        def counted(**arguments: Any) -> Any:
            appended.append(arguments["shard"])
            return whole(**arguments)

        monkeypatch.setattr(handlers, "append", counted)
        taken = Taken(*good[:100], poison, *good[100:])

        assert taken.settled.pop("poison") == dead("malformed_json")
        assert len(taken.settled) == 199
        assert set(taken.settled.values()) == {ACK}
        assert sorted(appended) == [0, 1, 2, 3]
        assert sum(client.paid for client in clients) == 8 * 500

    def test_a_batch_behaves_as_if_its_commands_came_one_after_the_other(self, ben: Client) -> None:
        """G3."""
        ann = Client(tokens=100)
        taken = Taken(*(ann.transfer(ben, 30, reply_to="a") for _ in range(5)))

        assert [said(answer)["status"] for _, answer in taken.answers] == [201] * 3 + [402] * 2
        assert (ann.paid, ben.paid) == (10, 90)

    def test_queries_do_not_grow_with_the_batch(self) -> None:
        clients = [Client(tokens=500, shard=3) for _ in range(50)]
        batch = [one.transfer(clients[0 if n else 1]) for n, one in enumerate(clients)]
        Taken(*batch)  # notes when the keys were used
        counted = Counted()
        with connection.execute_wrapper(counted):
            Taken(*(replace(one, id=str(uuid4())) for one in batch))
        assert counted.statements <= 6

    def test_an_order_that_the_book_refuses_spoils_no_other(self, ann: Client) -> None:
        """The limit of a balance is the database's: found by halving, it counts as failed work."""
        full = Client(shard=ann.id.bytes[15], tokens=1)
        with connections["owner"].cursor() as cursor:
            cursor.execute(
                "update balance set amount = %s where account = %s",
                [2**53 - 1, available(full.id)],
            )
        other = Client()
        messages = [ann.transfer(other), ann.transfer(full), ann.transfer(other)]
        taken = Taken(*messages)

        assert [taken.settled[message.id].verdict for message in messages] == [
            "ack",
            "requeue",
            "ack",
        ]
        assert other.paid == 2

    def test_a_defect_of_ours_costs_one_command_its_turn(
        self, ann: Client, ben: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = commands.understood

        def understood(message: Message, sender: Any) -> Any:
            if message.id == "bad":
                raise ZeroDivisionError
            return whole(message, sender)

        monkeypatch.setattr(commands, "understood", understood)
        taken = Taken(ann.transfer(ben), ann.transfer(ben, id="bad"), ann.transfer(ben))

        assert taken.settled["bad"] == Settlement(verdict="requeue", reason="internal_error")
        assert ben.paid == 2


class Counted:
    """Counts statements."""

    def __init__(self) -> None:
        self.statements = 0

    def __call__(self, execute: Callable[..., Any], *arguments: Any) -> Any:
        self.statements += 1
        return execute(*arguments)


class TestLater:
    def test_during_maintenance_orders_wait_and_all_else_goes_on(
        self, ann: Client, ben: Client
    ) -> None:
        style = trained_style(new_id())
        order = ann.message("generation.request", {"style_id": str(style), "prompt": "a fox"})
        transfer = ann.transfer(ben)
        maintenance.switch(on=True)
        taken = Taken(order, transfer)

        assert (taken.settled[order.id], taken.settled[transfer.id]) == (LATER, ACK)
        maintenance.switch(on=False)
        assert Taken(order).only == ACK

    @pytest.mark.parametrize("name", ["prove", "wallets", "handle"])
    def test_while_the_database_is_away_all_of_it_comes_again(
        self, ann: Client, ben: Client, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        """G12."""

        def fail(*_: Any) -> None:
            raise OperationalError("away")

        messages = [ann.transfer(ben) for _ in range(3)]
        with monkeypatch.context() as away:
            away.setattr(commands, name, fail)
            assert set(Taken(*messages).settled.values()) == {LATER}
        assert set(Taken(*messages).settled.values()) == {ACK}
        assert ben.paid == 3

    def test_an_append_whose_database_is_away_is_nobodys_fault(
        self, ann: Client, ben: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Else an outage of some minutes would use up the deliveries of every message."""

        def fail(*_: Any, **__: Any) -> None:
            raise OperationalError("away")

        message = ann.transfer(ben)
        with monkeypatch.context() as away:
            away.setattr(handlers, "append", fail)
            away.setattr(connections["default"], "ensure_connection", fail)
            away.setattr(commands, "prove", lambda _: [proof])
            proof = forms.Sender(ann.user, may_write=True)
            away.setattr(commands, "wallets", lambda _: frozenset([ben.id]))
            assert Taken(message).only == LATER
        assert Taken(message).only == ACK

    def test_what_is_in_everyones_hands_comes_again(
        self, ann: Client, ben: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(commands, "handle", lambda orders: [Refused(error=Busy())])
        assert Taken(ann.transfer(ben)).only == LATER

    def test_an_answer_that_cannot_be_shown_now_is_given_when_it_comes_again(
        self, ann: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """G12: the order is committed, its answer is not sent yet."""
        style = trained_style(new_id())
        asked = {"style_id": str(style), "prompt": "a fox"}
        message = ann.message("generation.request", asked, reply_to="answers")

        def fail(*_: Any, **__: Any) -> None:
            raise OperationalError("away")

        with monkeypatch.context() as away:
            away.setattr(forms, "render", fail)
            assert Taken(message).only == LATER
        assert ann.paid == 900
        assert Taken(message).told["replayed"]
        assert ann.paid == 900


def transfers(client: Client) -> list[dict[str, Any]]:
    """Return the metadata of the client's transfers, oldest first."""
    rows = read.page(read.shard_of(client.id), 0)
    return [json.loads(row.metadata) for row in rows if row.type == "TokensTransferred"]


def task_of(generation_id: str) -> UUID:
    """Return the task of a generation's first attempt."""
    row = read.stream(f"generation-{generation_id}")[0]
    return UUID(json.loads(row.data)["task_id"])
