"""`/api/generations/`: ordering a picture, watching it, and what is paid (sections 8 and 10)."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from core import maintenance
from core.ids import new_id
from core.models import Role
from core.sealing import erase
from ledger.book import read
from ledger.domain.style import DeactivateStyle, ReviseStyle
from projections.follow import catch_up
from projections.reading import Place
from projections.shown import render_queue
from tests import books
from tests.callers import Caller, call, code, faults
from tests.http_workers import HttpWorker
from tests.jobs import (
    announced,
    balance,
    drafted,
    give,
    granted,
    picture,
    trained_style,
)

People = Callable[..., Caller]
PATH = "/api/generations/"
PROMPT = "겨울 숲의 여우 🦊👩‍🎨 — شتاء, 雪 e\u0301"


@pytest.fixture
def ann(person: People) -> Caller:
    return person("ann")


@pytest.fixture
def artist() -> UUID:
    return new_id()


@pytest.fixture
def style(ann: Caller, artist: UUID) -> str:
    """A trained style of 100 tokens a picture; Ann has 250."""
    give(granted(ann.user.id, 250))
    return str(trained_style(artist))


def order(caller: Caller, style: object, *, key: str | None = "g-1", **given: Any) -> Any:
    body = {"style_id": str(style), "prompt": "a fox", **given}
    headers = {} if key is None else {"Idempotency-Key": key}
    return caller("POST", PATH, body, headers=headers)


def ordered(caller: Caller, style: object, **given: Any) -> dict[str, Any]:
    response = order(caller, style, **given)
    assert response.status_code == 201, response.content
    body: dict[str, Any] = response.json()
    return body


def detail(caller: Caller, body: dict[str, Any], query: str = "") -> Any:
    return caller("GET", f"{PATH}{body['id']}/{query}")


def worker_of(body: dict[str, Any]) -> HttpWorker:
    """Return a worker that holds the first task of an ordered picture."""
    named = UUID(body["id"]).bytes
    return HttpWorker("generation", UUID(bytes=named[:14] + b"\x01" + named[15:]))


class TestOrdering:
    def test_an_order_holds_the_price_and_waits(self, ann: Caller, style: str) -> None:
        """G4."""
        parameters = {"size": "1024x1024", "steps": 30, "seed": 7}

        response = order(ann, style, prompt=PROMPT, parameters=parameters, expected_price=100)

        body = response.json()
        assert response.status_code == 201
        assert response["Ledger-Position"] == body["billing"]["movements"][0]["id"]
        assert body["billing"] == {
            "state": "held", "quote": 100, "held": 100, "captured": 0, "released": 0,
            "refunded": 0,
            "movements": [
                {"id": response["Ledger-Position"], "type": "hold", "amount": 100}
            ],
        }  # fmt: skip
        assert (body["status"], body["is_terminal"], body["outcome"]) == ("queued", False, None)
        assert (body["version"], body["progress"], body["attempts"]) == (2, 0, 1)
        assert (body["prompt"], body["parameters"]) == (PROMPT, parameters)
        assert (body["error"], body["result"], body["style_id"]) == (None, None, style)
        assert body["links"]["self"] == f"{PATH}{body['id']}/"
        assert balance(ann.user.id) == (150, 100)

    def test_what_was_answered_is_what_is_read(self, ann: Caller, style: str) -> None:
        """The answer of the order, the stream and the projection tell the same."""
        body = ordered(ann, style)
        catch_up()

        read_again = detail(ann, body).json()
        (listed,) = ann("GET", f"{PATH}my_generations/").json()["results"]

        assert read_again.pop("queue")["position"] == 1
        assert body.pop("queue") == {"position": None, "eta_seconds": None}
        listed.pop("queue")
        assert body == read_again == listed

    def test_the_defaults_are_those_of_the_design(self, ann: Caller, style: str) -> None:
        first = ordered(ann, style)
        second = ordered(ann, style, key="g-2", parameters={})

        for body in (first, second):
            assert body["parameters"]["size"] == "512x512"
            assert body["parameters"]["steps"] == 50
            assert 0 <= body["parameters"]["seed"] < 2**32
        assert first["parameters"]["seed"] != second["parameters"]["seed"]

    def test_the_prompt_is_sealed_in_the_book(self, ann: Caller, style: str) -> None:
        """G14."""
        body = ordered(ann, style, prompt="an unmistakable fox")

        rows = read.stream(f"generation-{body['id']}")
        assert len(rows) == 2
        assert all("unmistakable" not in row.data + row.metadata for row in rows)

    def test_it_costs_one_query_to_let_in_and_two_to_decide(
        self, ann: Caller, style: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """All but one a second, which asks whether there is maintenance."""
        monkeypatch.setattr(maintenance, "CACHED_SECONDS", 60.0)
        maintenance._cache.clear()
        ordered(ann, style)

        with CaptureQueriesContext(connection) as queries:
            ordered(ann, style, key="g-2")

        assert len(queries) == 3, [one["sql"][:200] for one in queries]

    def test_too_few_tokens_are_told_and_nothing_is_written(
        self, ann: Caller, artist: UUID
    ) -> None:
        """G3."""
        style = trained_style(artist, price=300)
        give(granted(ann.user.id, 250))
        before = read.heads()

        response = order(ann, style)

        assert code(response) == (402, "insufficient_tokens")
        assert response.json()["error"]["details"] == {
            "required": 300, "available": 250, "shortfall": 50,
        }  # fmt: skip
        assert read.heads() == before

    def test_after_topping_up_the_same_request_is_taken(self, ann: Caller, artist: UUID) -> None:
        """G7: too few tokens are not remembered."""
        style = trained_style(artist)
        assert order(ann, style).status_code == 402
        give(granted(ann.user.id, 100))

        assert order(ann, style).status_code == 201

    def test_an_order_that_meets_expired_tokens_names_its_hold(
        self, ann: Caller, style: str
    ) -> None:
        """Section 7: the expired ones leave the wallet first."""
        books.write(books.grant(ann.user.id, 1_000, "promo@2020-01-31"))

        body = ordered(ann, style)

        held = read.stream(f"generation-{body['id']}")[1]
        assert body["billing"]["movements"] == [
            {"id": f"{held.shard}-{held.position}", "type": "hold", "amount": 100}
        ]
        assert balance(ann.user.id) == (150, 100)

    def test_an_artist_may_order_in_their_own_style(self, person: People) -> None:
        ada = person("ada", Role.ARTIST)
        style = trained_style(ada.user.id)
        give(granted(ada.user.id, 100))

        assert order(ada, style).status_code == 201


WILD_FIELDS: list[tuple[dict[str, Any], str, str]] = [
    ({"prompt": ""}, "prompt", "blank"),
    ({"prompt": "   "}, "prompt", "blank"),
    ({"prompt": "x" * 2_001}, "prompt", "max_length"),
    ({"prompt": "x" * 100_000}, "prompt", "max_length"),
    ({"prompt": "a\x00fox"}, "prompt", "control_characters"),
    ({"prompt": "a\nfox"}, "prompt", "control_characters"),
    ({"prompt": "a\x9ffox"}, "prompt", "control_characters"),
    ({"prompt": 7}, "prompt", "invalid_string"),
    ({"prompt": None}, "prompt", "null"),
    ({"prompt": ["a fox"]}, "prompt", "invalid_string"),
    ({"style_id": "x"}, "style_id", "invalid_uuid"),
    ({"style_id": 7}, "style_id", "invalid_uuid"),
    ({"style_id": uuid4().hex}, "style_id", "invalid_uuid"),
    ({"parameters": []}, "parameters", "invalid"),
    ({"parameters": "512x512"}, "parameters", "invalid"),
    ({"parameters": {"size": "513x512"}}, "parameters.size", "invalid_choice"),
    ({"parameters": {"size": 512}}, "parameters.size", "invalid_choice"),
    ({"parameters": {"steps": 0}}, "parameters.steps", "min_value"),
    ({"parameters": {"steps": 151}}, "parameters.steps", "max_value"),
    ({"parameters": {"steps": "50"}}, "parameters.steps", "invalid_integer"),
    ({"parameters": {"steps": 5.5}}, "parameters.steps", "invalid_integer"),
    ({"parameters": {"seed": -1}}, "parameters.seed", "min_value"),
    ({"parameters": {"seed": 2**32}}, "parameters.seed", "max_value"),
    ({"parameters": {"seed": True}}, "parameters.seed", "invalid_integer"),
    ({"parameters": {"Steps": 9}}, "parameters.Steps", "unknown_field"),
    ({"expected_price": "100"}, "expected_price", "invalid_integer"),
    ({"expected_price": 0}, "expected_price", "min_value"),
]


class TestRefusals:
    @pytest.fixture(autouse=True)
    def nothing_is_written(self, style: str) -> Any:
        before = read.heads()
        yield
        assert read.heads() == before

    def test_a_field_of_another_form_is_named(self, ann: Caller, style: str) -> None:
        wrong = [
            (given, told)
            for given, field, fault in WILD_FIELDS
            if (told := faults(order(ann, style, **given))) != {field: [fault]}
        ]

        assert wrong == []

    def test_missing_fields_are_named(self, ann: Caller) -> None:
        response = ann("POST", PATH, {}, headers={"Idempotency-Key": "g-1"})

        assert faults(response) == {"style_id": ["required"], "prompt": ["required"]}

    @pytest.mark.parametrize(
        ("raw", "refusal"),
        [
            (b"{", (400, "malformed_json")),
            (b'"\\ud800"', (400, "malformed_json")),
            (b"[]", (422, "invalid_fields")),
            (b"null", (422, "invalid_fields")),
        ],
    )
    def test_a_body_that_is_no_object(
        self, ann: Caller, raw: bytes, refusal: tuple[int, str]
    ) -> None:
        assert code(ann("POST", PATH, raw, headers={"Idempotency-Key": "g-1"})) == refusal

    def test_a_body_of_another_type(self, ann: Caller) -> None:
        headers = {"Idempotency-Key": "g-1", "Content-Type": "text/plain"}

        assert code(ann("POST", PATH, b"a fox", headers=headers)) == (415, "unsupported_media_type")

    def test_a_key_is_asked_for_before_any_field(self, ann: Caller, style: str) -> None:
        assert code(order(ann, style, key=None, prompt="")) == (400, "idempotency_key_required")
        for wild in ("a b", "x" * 256, "키"):
            assert code(order(ann, style, key=wild)) == (400, "idempotency_key_invalid")

    def test_an_unknown_style(self, ann: Caller) -> None:
        """Twice: the refusal was remembered, but that alone."""
        unknown = uuid4()

        assert code(order(ann, unknown)) == (404, "style_not_found")

    def test_the_anonymous(self, style: str) -> None:
        response = call("POST", PATH, {"style_id": style, "prompt": "a fox"})

        assert code(response) == (401, "not_authenticated")

    @pytest.mark.parametrize("role", [Role.OPERATOR, Role.AUDITOR])
    def test_accounts_without_a_wallet(self, person: People, style: str, role: str) -> None:
        assert code(order(person("olga", role), style)) == (403, "user_only")


class TestStylesThatTakeNoOrders:
    def test_an_inactive_style(self, ann: Caller, artist: UUID, style: str) -> None:
        give(DeactivateStyle(style_id=UUID(style), artist_id=artist))

        assert code(order(ann, style)) == (409, "style_inactive")
        assert code(ann("POST", f"{PATH}quote/", {"style_id": style})) == (409, "style_inactive")

    def test_anothers_untrained_style_is_not_even_there(self, ann: Caller, artist: UUID) -> None:
        style_id, drafting = drafted(artist)
        give(*drafting)

        assert code(order(ann, style_id)) == (404, "style_not_found")

    def test_ones_own_untrained_style(self, person: People) -> None:
        ada = person("ada", Role.ARTIST)
        style_id, drafting = drafted(ada.user.id)
        give(*drafting)

        assert code(order(ada, style_id)) == (409, "style_not_trained")

    def test_a_price_that_changed(self, ann: Caller, artist: UUID, style: str) -> None:
        give(ReviseStyle(style_id=UUID(style), artist_id=artist, price=120))

        response = order(ann, style, expected_price=100)

        assert code(response) == (409, "price_changed")
        assert response.json()["error"]["details"] == {"expected_price": 100, "price": 120}
        assert balance(ann.user.id) == (250, 0)
        assert ordered(ann, style, key="g-2", expected_price=120)["billing"]["quote"] == 120


class TestRepetition:
    """G7."""

    def test_the_first_answer_comes_again(self, ann: Caller, style: str) -> None:
        first = order(ann, style)
        worker = worker_of(first.json())
        worker.post("started")
        again = order(ann, style)

        assert again.json() == first.json()
        assert again["Ledger-Position"] == first["Ledger-Position"]
        assert again["Idempotent-Replayed"] == "true"
        assert "Idempotent-Replayed" not in first
        assert balance(ann.user.id) == (150, 100)

    def test_a_key_is_for_one_request(self, ann: Caller, style: str) -> None:
        ordered(ann, style)

        assert code(order(ann, style, prompt="another fox")) == (422, "idempotency_key_reused")
        assert balance(ann.user.id) == (150, 100)

    def test_a_refusal_by_a_rule_is_the_first_answer_too(self, ann: Caller) -> None:
        unknown = uuid4()
        first = order(ann, unknown)
        again = order(ann, unknown)

        assert code(first) == code(again) == (404, "style_not_found")
        assert again["Idempotent-Replayed"] == "true"

    def test_two_people_may_use_one_key(self, ann: Caller, style: str, person: People) -> None:
        ben = person("ben")
        give(granted(ben.user.id, 100))

        assert ordered(ann, style)["id"] != ordered(ben, style)["id"]


def at_once(count: int, act: Callable[[int], Any]) -> list[Any]:
    """Call `act` in `count` threads that begin together; each has a connection of its own."""
    barrier = threading.Barrier(count)

    def run(number: int) -> Any:
        barrier.wait(60)
        try:
            return act(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(run, range(count)))


class TestManyAtOnce:
    def test_a_balance_for_ten_pays_for_ten_of_fifty(self, ann: Caller, artist: UUID) -> None:
        """G3."""
        style = trained_style(artist)
        give(granted(ann.user.id, 1_000))

        responses = at_once(50, lambda number: order(ann, style, key=f"g-{number}"))

        assert Counter(one.status_code for one in responses) == {201: 10, 402: 40}
        assert len({one.json()["id"] for one in responses if one.status_code == 201}) == 10
        assert balance(ann.user.id) == (0, 1_000)

    def test_one_key_sent_by_twenty_is_one_job(self, ann: Caller, artist: UUID) -> None:
        """G7, at a balance for one."""
        style = trained_style(artist)
        give(granted(ann.user.id, 100))

        responses = at_once(20, lambda _: order(ann, style))

        assert {one.status_code for one in responses} == {201}
        assert len({one.content for one in responses}) == 1
        assert len([one for one in responses if "Idempotent-Replayed" in one]) == 19
        assert balance(ann.user.id) == (0, 100)


class TestTheWay:
    """From the order to the picture, as its payer sees it."""

    def test_a_picture_is_paid_when_it_can_be_fetched(
        self, ann: Caller, artist: UUID, style: str
    ) -> None:
        """G4, G5, G6."""
        body = ordered(ann, style)
        worker = worker_of(body)
        worker.post("started")
        assert detail(ann, body).json()["status"] == "processing"
        worker.post("progress", {"percent": 40})
        assert detail(ann, body).json()["progress"] == 40
        worker.upload(picture())
        worker.post("complete", announced(picture()))

        done = detail(ann, body).json()

        assert (done["status"], done["outcome"], done["is_terminal"]) == (
            "completed", "completed", True,
        )  # fmt: skip
        assert (done["progress"], done["version"], done["error"]) == (100, 6, None)
        billing = done["billing"]
        assert {name: billing[name] for name in ("state", "held", "captured", "released")} == {
            "state": "captured", "held": 0, "captured": 100, "released": 0,
        }  # fmt: skip
        assert [one["type"] for one in billing["movements"]] == ["hold", "capture"]
        result = done["result"]
        assert {name: result[name] for name in result if name != "url"} == announced(picture()) | {
            "width": 512, "height": 512,
        }  # fmt: skip
        token = result["url"].rsplit("/", 1)[1]
        assert call("GET", f"/files/{token}").getvalue() == picture()
        assert balance(ann.user.id) == (150, 0)

    def test_a_failure_gives_everything_back(self, ann: Caller, style: str) -> None:
        """G5."""
        body = ordered(ann, style)
        worker = worker_of(body)
        worker.post("started")
        worker.post("failed", {"code": "moderation", "message": "Not this."})

        failed = detail(ann, body).json()

        assert (failed["status"], failed["outcome"]) == ("failed", "failed")
        assert failed["error"] == {"code": "moderation", "message": "Not this."}
        assert failed["billing"]["state"] == "released"
        assert [one["type"] for one in failed["billing"]["movements"]] == ["hold", "release"]
        assert balance(ann.user.id) == (250, 0)

    def test_a_failure_may_say_nothing(self, ann: Caller, style: str) -> None:
        body = ordered(ann, style)
        worker = worker_of(body)
        worker.post("started")
        worker.post("failed", {"code": "out_of_memory"})

        assert detail(ann, body).json()["error"] == {"code": "out_of_memory", "message": None}

    def test_the_text_of_an_erased_person_is_gone(self, ann: Caller, style: str) -> None:
        """G14."""
        body = ordered(ann, style)
        worker = worker_of(body)
        worker.post("started")
        worker.post("failed", {"code": "moderation", "message": "Not this."})
        erase(ann.user.id)

        erased = detail(ann, body).json()

        assert erased["prompt"] is None
        assert erased["error"] == {"code": "moderation", "message": None}

    def test_progress_is_for_polling(self, ann: Caller, style: str) -> None:
        body = ordered(ann, style)
        path = f"{PATH}{body['id']}/progress/"
        queued = ann("GET", path).json()
        assert queued == {
            "id": body["id"], "status": "queued", "is_terminal": False, "outcome": None,
            "version": 2, "progress": 0, "attempts": 1,
            "estimated_time_remaining": queued["queue"]["eta_seconds"],
            "queue": {"position": 1, "eta_seconds": queued["queue"]["eta_seconds"]},
        }  # fmt: skip
        assert queued["queue"]["eta_seconds"] >= 0

        worker = worker_of(body)
        worker.post("started")
        running = ann("GET", path).json()
        assert running["queue"] == {"position": None, "eta_seconds": None}
        assert running["estimated_time_remaining"] is None

        worker.post("progress", {"percent": 50})
        running = ann("GET", path).json()
        assert running["progress"] == 50
        assert running["estimated_time_remaining"] >= 0

        worker.post("failed", {"code": "moderation"})
        ended = ann("GET", path).json()
        assert (ended["outcome"], ended["estimated_time_remaining"]) == ("failed", None)


class TestReading:
    def test_others_see_nothing(self, ann: Caller, style: str, person: People) -> None:
        """G13."""
        body = ordered(ann, style)
        ben = person("ben")

        assert code(detail(ben, body)) == (404, "generation_not_found")
        assert code(detail(ben, body, "progress/")) == (404, "generation_not_found")
        assert code(detail(ann, {"id": uuid4()})) == (404, "generation_not_found")
        catch_up()
        assert ben("GET", f"{PATH}my_generations/").json()["results"] == []

    def test_only_the_fields_that_were_asked_for(self, ann: Caller, style: str) -> None:
        body = ordered(ann, style)
        catch_up()

        assert detail(ann, body, "?fields=id,status").json() == {
            "id": body["id"], "status": "queued",
        }  # fmt: skip
        (listed,) = ann("GET", f"{PATH}my_generations/?fields=prompt").json()["results"]
        assert listed == {"prompt": "a fox"}
        for path in (f"{PATH}{body['id']}/", f"{PATH}my_generations/", PATH):
            response = ann("GET", f"{path}?fields=id,secret")
            assert faults(response) == {"fields": ["unknown_field"]}

    def test_ones_own_come_newest_first_in_pages(self, ann: Caller, style: str) -> None:
        give(granted(ann.user.id, 250))
        made = [ordered(ann, style, key=f"g-{number}")["id"] for number in range(5)]
        catch_up()

        first = ann("GET", f"{PATH}my_generations/?limit=3").json()
        cursor = first["next_cursor"]
        second = ann("GET", f"{PATH}my_generations/?limit=3&cursor={cursor}").json()

        assert [one["id"] for one in first["results"]] == made[:1:-1]
        assert [one["id"] for one in second["results"]] == made[1::-1]
        assert (first["has_more"], second["has_more"]) == (True, False)
        assert second["next_cursor"] is None
        assert [one["queue"]["position"] for one in second["results"]] == [2, 1]
        foreign = ann("GET", f"{PATH}my_generations/?status=queued&cursor={cursor}")
        assert faults(foreign) == {"cursor": ["invalid_cursor"]}

    def test_a_list_can_be_narrowed(self, ann: Caller, style: str, artist: UUID) -> None:
        other = trained_style(artist)
        queued = ordered(ann, style)
        failed = ordered(ann, other, key="g-2")
        worker = worker_of(failed)
        worker.post("started")
        worker.post("failed", {"code": "moderation"})
        catch_up()

        def ids(query: str) -> list[str]:
            listed = ann("GET", f"{PATH}my_generations/?{query}").json()["results"]
            return [one["id"] for one in listed]

        assert ids("status=failed") == [failed["id"]]
        assert ids(f"style_id={style}") == [queued["id"]]
        assert ids(f"style_id={style}&status=failed") == []
        wild = ann("GET", f"{PATH}my_generations/?status=lost&style_id=x")
        assert faults(wild) == {"status": ["invalid_choice"], "style_id": ["invalid_uuid"]}

    def test_a_list_costs_few_queries_whatever_it_holds(self, ann: Caller, style: str) -> None:
        for number in range(2):
            ordered(ann, style, key=f"g-{number}")
        catch_up()

        with CaptureQueriesContext(connection) as queries:
            ann("GET", f"{PATH}my_generations/")

        assert len(queries) == 3, [one["sql"][:200] for one in queries]

    def test_a_list_waits_for_what_was_written(
        self, ann: Caller, style: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("api.positions.WAIT_SECONDS", 0.1)
        position = order(ann, style)["Ledger-Position"]
        path, headers = f"{PATH}my_generations/", {"Ledger-Position": position}

        assert code(ann("GET", path, headers=headers)) == (503, "projection_behind")
        catch_up()
        assert len(ann("GET", path, headers=headers).json()["results"]) == 1

    @pytest.mark.parametrize("ahead", ["0-99999999", "15-99999999", "16-1", "255-1"])
    def test_a_position_that_was_never_told_is_refused_at_once(
        self, ann: Caller, ahead: str
    ) -> None:
        headers = {"Ledger-Position": ahead}
        response = ann("GET", f"{PATH}my_generations/", headers=headers)
        assert code(response) == (400, "ledger_position_invalid")

    def test_nothing_is_published_so_far(self, ann: Caller, style: str) -> None:
        ordered(ann, style)

        assert call("GET", PATH).json() == {
            "results": [], "next_cursor": None, "has_more": False,
        }  # fmt: skip


class TestQuotes:
    def quote(self, caller: Caller, style: object) -> Any:
        return caller("POST", f"{PATH}quote/", {"style_id": str(style)})

    def test_a_quote_is_what_an_order_will_cost(self, ann: Caller, style: str) -> None:
        """G4."""
        assert self.quote(ann, style).json() == {
            "style_id": style, "price": 100, "balance": 250, "is_affordable": True,
            "shortfall": 0,
        }  # fmt: skip
        assert ordered(ann, style)["billing"]["quote"] == 100

    def test_a_quote_says_what_is_missing(self, ann: Caller, artist: UUID) -> None:
        dear = trained_style(artist, price=300)
        give(granted(ann.user.id, 250))

        quote = self.quote(ann, dear).json()

        assert (quote["is_affordable"], quote["shortfall"]) == (False, 50)

    def test_an_empty_wallet_has_nothing(self, person: People, artist: UUID) -> None:
        style = trained_style(artist)

        assert self.quote(person("ben"), style).json()["balance"] == 0

    def test_expired_tokens_do_not_count(self, ann: Caller, style: str) -> None:
        """Section 7: expiry does not wait for a timer."""
        books.write(books.grant(ann.user.id, 1_000, "promo@2020-01-31"))

        assert self.quote(ann, style).json()["balance"] == 250

    def test_a_quote_writes_nothing_and_needs_no_key(self, ann: Caller, style: str) -> None:
        before = read.heads()
        self.quote(ann, style)

        assert read.heads() == before

    @pytest.mark.parametrize("wild", ["x", None, 7])
    def test_a_style_of_another_form(self, ann: Caller, wild: Any) -> None:
        response = ann("POST", f"{PATH}quote/", {"style_id": wild})

        assert list(faults(response)) == ["style_id"]

    def test_an_unknown_style(self, ann: Caller) -> None:
        assert code(self.quote(ann, uuid4())) == (404, "style_not_found")


def test_the_way_through_a_queue_is_estimated_by_its_oldest() -> None:
    now = timezone.now()
    place = Place(number=5, length=10, oldest_at=now - timedelta(seconds=60))

    assert render_queue(place) == {"position": 5, "eta_seconds": 30}
