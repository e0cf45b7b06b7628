"""What bad input gets: a clear error with its code, and nothing written."""

import ast
import json
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from pytest_django import DjangoDbBlocker

from api.payments import sign
from core.ids import new_id
from core.keys import issue
from core.models import ApiKey, Role, User
from core.storage import local_store
from ledger.domain.style import DeactivateStyle
from projections.follow import catch_up
from tests.acceptance.test_permissions import Route, routes
from tests.callers import Caller, call, code, faults
from tests.databases import Database
from tests.http_workers import HttpWorker
from tests.jobs import Worker, balance, give, granted, order_picture, trained_style
from tests.pictures import picture

STRANGER = "0329bb9b-f18f-4d8e-88f1-384b9bb483ef"  # no style of anybody
TESTS = Path(settings.BASE_DIR) / "tests"
TRANSFERS, GRANTS = "/api/tokens/transfers/", "/api/tokens/grants/"
PURCHASES, ORDERS = "/api/tokens/purchases/", "/api/generations/"

# Each item of the list that is tested where its own rules are, and by what.
ELSEWHERE = {
    "101 images": "integration/api/test_styles.py::test_more_than_a_hundred_are_refused",
    "payment: amount, currency": "integration/api/test_purchases.py"
    "::test_another_amount_or_currency_issues_nothing",
    "callback: another's task": "integration/api/test_webhooks.py::test_another_workers_task",
    "result: missing, checksum, size, form": "integration/ledger/test_callbacks.py"
    "::test_a_result_that_is_not_there_as_announced_fails_the_attempt",
    "prompts come back": "integration/api/test_generations.py"
    "::test_an_order_holds_the_price_and_waits",
    "files: expired": "integration/api/test_files.py::test_an_expired_token_is_refused",
    "files: forged": "integration/api/test_files.py::test_a_token_that_we_did_not_make_is_refused",
    "cursors": "unit/api/test_pagination.py"
    "::test_an_altered_cursor_or_one_of_another_list_is_refused",
}


@pytest.mark.parametrize("place", ELSEWHERE.values(), ids=ELSEWHERE.keys())
def test_what_is_tested_elsewhere_is_there(place: str) -> None:
    path, name = place.split("::")
    tree = ast.parse((TESTS / path).read_text())
    assert name in {one.name for one in ast.walk(tree) if isinstance(one, ast.FunctionDef)}


def account(name: str, role: str) -> Caller:
    user = User.objects.create(username=name, email=f"{name}@example.org", role=role)
    return Caller(user, issue(user)[1])


@pytest.fixture(scope="module")
def world(
    shared_database: Database, django_db_blocker: DjangoDbBlocker
) -> Iterator[SimpleNamespace]:
    """Yield people who own one of each thing; no test of this module changes the book."""
    del shared_database
    with django_db_blocker.unblock():
        ada, eve = account("ada", Role.ARTIST), account("eve", Role.ARTIST)
        mina, olga = account("mina", Role.USER), account("olga", Role.OPERATOR)
        trained = trained_style(ada.user.id)
        order = order_picture(mina.user.id, trained)
        issue(mina.user)  # a second key, so that the list of keys has a next page
        inactive = trained_style(ada.user.id)
        give(DeactivateStyle(style_id=inactive, artist_id=ada.user.id))
        give(granted(mina.user.id, 150), granted(eve.user.id, 500), order)
        draft = ada("POST", "/api/styles/", {"name": "Ink"}).json()["id"]
        eves = eve("POST", "/api/styles/", {"name": "Oil"}).json()["id"]
        (image,) = add(ada, draft, [picture(1)]).json()["results"]
        bought = mina(
            "POST", PURCHASES, {"package": "starter"}, headers={"Idempotency-Key": "used"}
        ).json()
        catch_up()
        yield SimpleNamespace(
            ada=ada, eve=eve, mina=mina, olga=olga, trained=trained, draft=draft, eves=eves,
            image=image["id"], purchase=bought["id"], job=order.generation_id, task=order.task_id,
            key=ApiKey.objects.filter(user=mina.user)[0].id, worker=HttpWorker(),
            inactive=inactive,
        )  # fmt: skip


@pytest.fixture(autouse=True)
def _nothing_is_written(
    request: pytest.FixtureRequest, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    if "world" not in request.fixturenames:
        yield
        return
    request.getfixturevalue("world")
    before = written()
    yield
    assert written() == before


def written() -> dict[str, Any]:
    """Return a digest of each table's rows, and the stored files.

    A refusal may be remembered and is counted, and that a key was used.
    """
    found: dict[str, Any] = {"objects": sorted(map(str, local_store().root.rglob("*")))}
    with connection.cursor() as cursor:
        for name in connection.introspection.table_names(cursor):
            if name not in ("outcome", "refusal_count"):
                cursor.execute(
                    "SELECT md5(string_agg(t, '|' ORDER BY t)) FROM"
                    f" (SELECT (to_jsonb(r) - 'last_used_at')::text AS t FROM {name} AS r) AS rows"
                )
                found[name] = cursor.fetchone()[0]
    return found


def add(caller: Caller, style_id: object, files: list[bytes]) -> Any:
    uploads = [SimpleUploadedFile("a.jpg", file, "image/jpeg") for file in files]
    return Client().post(
        f"/api/styles/{style_id}/images/",
        {"images": uploads},
        headers={"Authorization": f"Bearer {caller.key}"},
    )


def post(caller: Caller, path: str, body: Any, key: str | None = None) -> Any:
    headers = {"Idempotency-Key": key or f"k-{uuid4()}"}
    return caller("POST", path, body, headers=headers)


class TestBodies:
    """Every route takes every body without failing."""

    BODIES: tuple[bytes, ...] = (
        b"",
        b"{",
        b"null",
        b"5",
        b'"x"',
        b"[]",
        b"[{}]",
        b"\xff\xfe{}",
        b"\xef\xbb\xbf{}",
        b"{}x",
        b'{"amount": NaN, "name": Infinity}',
        b'{"name": "\\ud800", "username": "\\ud800"}',
        b'{"name": "\\u0000", "username": "\\u0000", "package": "\\u0000"}',
        b'{"amount": 1e400}',
        b'{"amount": 999999999999999999999999}',
        b'{"x": ' + b"[" * 31 + b"]" * 31 + b"}",
        b'{"x": ' + b"[" * 1000 + b"]" * 1000 + b"}",
        b"[" * 100_000,
        b'{"' + b"a" * 200_000 + b'": 1}',
        b'{"name": {"a": 1}, "package": [1], "amount": {}, "username": [], "password": {},'
        b' "email": 5, "recipient_id": {}, "user_id": [], "filename": {}, "bytes": [],'
        b' "sha256": {}, "tags": {"a": 1}, "scopes": {"a": 5}, "expires_at": {"x": 1},'
        b' "epochs": {}, "outcome": {"a": []}, "job_types": {"a": 1}, "artist_name": {},'
        b' "verified_email": [], "is_active": {}, "style_id": {}, "prompt": [], "memo": 7,'
        b' "parameters": [[]], "reason": {}, "colour": [], "generation_cost_tokens": {}}',
    )
    TYPES = (
        "application/json",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "multipart/form-data; boundary=x",
        "multipart/form-data; boundary=" + "x" * 300,
        "application/json; charset=utf-16",
        "\x80/json",
    )

    def test_no_body_of_any_type_breaks_a_route(self, world: SimpleNamespace) -> None:
        sent = [(body, self.TYPES[0]) for body in self.BODIES]
        sent += [(b"--x\r\n\xff\xfe", kind) for kind in self.TYPES]
        broken, keys = [], set(ApiKey.objects.values_list("id", flat=True))
        for route in writes():
            for body, kind in sent:
                headers = {"Idempotency-Key": "any", "Content-Type": kind}
                response = who(world, route)(route.method, path_of(route), body, headers=headers)
                if response.status_code >= 500:
                    broken.append((route.method, route.path, body[:40], kind))
        # A key may be made of any object, whatever else it holds.
        ApiKey.objects.exclude(id__in=keys).delete()

        assert broken == []

    @pytest.mark.parametrize("kind", TYPES[1:5])
    @pytest.mark.parametrize("path", [TRANSFERS, PURCHASES, ORDERS])
    def test_what_is_no_json_is_an_unsupported_type(
        self, world: SimpleNamespace, path: str, kind: str
    ) -> None:
        headers = {"Idempotency-Key": "any", "Content-Type": kind}
        response = world.mina("POST", path, b"a=1", headers=headers)
        assert code(response) == (415, "unsupported_media_type")

    @pytest.mark.parametrize("path", [TRANSFERS, PURCHASES, ORDERS, "/api/styles/"])
    @pytest.mark.parametrize(
        ("body", "refusal"),
        [
            (b"{", (400, "malformed_json")),
            (b'{"amount": NaN}', (400, "malformed_json")),
            (b'{"memo": "\\ud800"}', (400, "malformed_json")),
            (b'{"x": ' + b"[" * 40 + b"]" * 40 + b"}", (400, "json_too_deep")),
            (b" " * (2**20 + 1), (413, "payload_too_large")),
            (b"[]", (422, "invalid_fields")),
            (b"null", (422, "invalid_fields")),
        ],
    )
    def test_a_body_that_cannot_be_read_is_told_so(
        self, world: SimpleNamespace, path: str, body: bytes, refusal: tuple[int, str]
    ) -> None:
        assert code(post(world.ada, path, body)) == refusal

    def test_of_two_equal_names_the_last_counts_everywhere(self, world: SimpleNamespace) -> None:
        for body in (b'{"amount": 1, "amount": "1"}', b'{"amount": 1, "amount": -1}'):
            assert "amount" in faults(post(world.mina, TRANSFERS, body))
        assert "amount" not in faults(post(world.mina, TRANSFERS, b'{"amount": "1", "amount": 1}'))

    @pytest.mark.parametrize("amount", [0, -1, 0.5, 1.0, "1", True, None, [1], {}, 10**9 + 1])
    def test_an_amount_is_a_whole_number_within_its_limit(
        self, world: SimpleNamespace, amount: Any
    ) -> None:
        to = str(world.ada.user.id)
        sent = post(world.mina, TRANSFERS, {"recipient_id": to, "amount": amount})
        granted = post(world.olga, GRANTS, {"user_id": to, "amount": amount})
        assert {*faults(sent), *faults(granted)} == {"amount"}


class TestOrders:
    def test_a_style_that_cannot_be_ordered(self, world: SimpleNamespace) -> None:
        for style, refusal in (
            (STRANGER, (404, "style_not_found")),
            (world.draft, (404, "style_not_found")),
            (str(world.inactive), (409, "style_inactive")),
        ):
            order = {"style_id": style, "prompt": "a fox"}
            assert code(post(world.mina, ORDERS, order)) == refusal

    def test_too_few_tokens(self, world: SimpleNamespace) -> None:
        order = {"style_id": str(world.trained), "prompt": "a fox"}
        assert code(post(world.mina, ORDERS, order)) == (402, "insufficient_tokens")

    @pytest.mark.parametrize(
        "prompt", ["", " ", "x" * 2_001, "x" * 100_000, "a\x00", "a\n", 7, None]
    )
    def test_a_prompt_that_is_no_line_of_text(self, world: SimpleNamespace, prompt: Any) -> None:
        order = {"style_id": str(world.trained), "prompt": prompt}
        assert list(faults(post(world.mina, ORDERS, order))) == ["prompt"]

    @pytest.mark.parametrize("price", [9, 10_001, 0, -10, 10.5, "100", None, [], True])
    def test_a_price_outside_its_range(self, world: SimpleNamespace, price: Any) -> None:
        sent = world.ada("POST", "/api/styles/", {"name": "A", "generation_cost_tokens": price})
        changed = world.ada(
            "PATCH", f"/api/styles/{world.draft}/", {"generation_cost_tokens": price}
        )
        assert {*faults(sent), *faults(changed)} == {"generation_cost_tokens"}

    def test_too_few_images(self, world: SimpleNamespace) -> None:
        refused = post(world.ada, f"/api/styles/{world.draft}/train/", {})
        assert code(refused) == (422, "too_few_images")


class TestReports:
    """What a provider or a worker says that is not theirs to say."""

    @pytest.mark.parametrize("package", ["gold", "", 7, None, ["starter"]])
    def test_an_unknown_package(self, world: SimpleNamespace, package: Any) -> None:
        refused = post(world.mina, PURCHASES, {"package": package})
        assert code(refused) in {(422, "unknown_package"), (422, "invalid_fields")}

    def test_a_payment_that_is_not_the_providers(self, world: SimpleNamespace) -> None:
        paid = {"type": "payment.paid", "payment_key": "p", "purchase_id": world.purchase}
        signed = sign(paid | {"amount": 500, "currency": "USD"})
        old = signed.headers | {"webhook-timestamp": "1700000000"}
        for headers, raw in (
            ({}, signed.body),
            (old, signed.body),
            (signed.headers | {"webhook-id": "other"}, signed.body),
            (signed.headers, signed.body + b" "),
        ):
            refused = call("POST", "/api/webhooks/payments/sandbox", raw, headers=headers)
            assert code(refused) == (401, "invalid_signature")

    def test_a_callback_that_no_worker_signed(self, world: SimpleNamespace) -> None:
        """G9."""
        raw = json.dumps(Worker("generation", world.task).body()).encode()
        signed = world.worker.signed(raw)
        for headers in (
            {},
            {"Authorization": "Bearer no"},
            world.worker.signed(raw, age_seconds=301),
            world.worker.signed(raw, secret="whsec_QUFBQQ=="),
            signed | {"X-Worker-Id": STRANGER},
            signed | {"webhook-signature": "v1,AAAA"},
        ):
            for action in ("started", "progress", "complete", "failed"):
                refused = call("POST", f"/api/webhooks/generation/{action}", raw, headers=headers)
                assert code(refused) == (401, "worker_not_proven")

    @pytest.mark.parametrize("action", ["started", "progress", "complete", "failed"])
    def test_a_callback_for_a_task_that_nobody_knows(
        self, world: SimpleNamespace, action: str
    ) -> None:
        data = {
            "progress": {"percent": 10},
            "complete": {"sha256": "a" * 64, "bytes": 9, "content_type": "image/png"},
            "failed": {"code": "bad_input", "message": "", "retryable": False},
        }.get(action)
        body = world.worker.body(data, task_id=str(uuid4()))
        refused = world.worker.send_raw(f"/api/webhooks/generation/{action}", body)
        assert code(refused) == (404, "task_not_found")


class TestPaths:
    METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")

    def test_a_path_answers_its_own_methods_alone(self, world: SimpleNamespace) -> None:
        """HEAD is a GET without a body; all else is 405 with what is allowed."""
        by_path: dict[str, dict[str, Route]] = {}
        for route in routes():
            if route.method != "any":
                by_path.setdefault(route.path, {})[route.method] = route
        wrong = []
        for known in by_path.values():
            caller = who(world, next(iter(known.values())))
            for method in self.METHODS:
                if method in known or (method == "HEAD" and "GET" in known):
                    continue
                response = caller(method, path_of(next(iter(known.values()))))
                if response.status_code not in {405, 401} or "Allow" not in response:
                    wrong.append((method, next(iter(known)), response.status_code))
        assert wrong == []

    def test_head_is_get_without_its_body(self, world: SimpleNamespace) -> None:
        for path in ("/healthz", "/api/styles/", "/api/tokens/balance/", "/api/generations/"):
            response = world.mina("HEAD", path)
            assert (response.status_code, response.content) == (200, b"")

    @pytest.mark.parametrize(
        "path",
        [
            "/", "/api", "/api/", "//api/styles/", "/api/styles", "/api/../healthz",
            "/api/users/%00/", "/api/users/me/%2e%2e/", "/api/styles/1/", "/" + "a" * 9_000,
            f"/api/styles/{STRANGER.upper()}/", f"/api/styles/{STRANGER.replace('-', '')}/",
            f"/api/styles/{STRANGER}%0a/", "/api/generations/%EF%BC%91/", "/api/docs/%00",
        ],
    )  # fmt: skip
    def test_a_path_that_no_route_knows_is_404(self, world: SimpleNamespace, path: str) -> None:
        assert code(world.mina("GET", path)) == (404, "not_found")

    @pytest.mark.parametrize(
        "query",
        [
            "cursor=%00", "cursor=a:b", "cursor=%ff", "cursor=" + "a" * 600, "limit=0",
            "limit=101", "limit=%00", "limit=1e2", "limit=-1", "limit=%D9%A1",
            "fields=", "fields=id,secret", "fields=%00",
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("path", ["/api/styles/", "/api/generations/my_generations/"])
    def test_a_wild_query_is_told_its_field(
        self, world: SimpleNamespace, path: str, query: str
    ) -> None:
        field = query.partition("=")[0]
        assert list(faults(world.mina("GET", f"{path}?{query}"))) == [field]

    @pytest.mark.parametrize("query", ["tag=%00", "tag=a%20b", "tag="])
    def test_a_wild_tag_is_told(self, world: SimpleNamespace, query: str) -> None:
        assert faults(world.mina("GET", f"/api/styles/?{query}")) == {"tag": ["invalid_tag"]}

    @pytest.mark.parametrize("query", ["status=%00", "status=gone", "style_id=%00", "style_id=1"])
    def test_a_wild_filter_is_told(self, world: SimpleNamespace, query: str) -> None:
        path = f"/api/generations/my_generations/?{query}"
        assert list(faults(world.mina("GET", path))) == [query.partition("=")[0]]

    def test_a_cursor_of_another_list_is_none(self, world: SimpleNamespace) -> None:
        cursor = world.mina("GET", "/api/auth/keys/?limit=1").json()["next_cursor"]
        for path in ("/api/styles/", "/api/tokens/transactions/"):
            response = world.mina("GET", f"{path}?cursor={cursor}")
            assert faults(response) == {"cursor": ["invalid_cursor"]}


class TestIdempotency:
    def test_where_tokens_move_a_key_is_required(self, world: SimpleNamespace) -> None:
        for caller, path, body in keyed(world):
            assert code(caller("POST", path, body)) == (400, "idempotency_key_required")

    @pytest.mark.parametrize("key", ["", " ", "a b", "a\tb", "k" * 256, "\u00e9", "\x7f"])
    def test_a_malformed_key_is_refused(self, world: SimpleNamespace, key: str) -> None:
        for caller, path, body in keyed(world):
            response = caller("POST", path, body, headers={"Idempotency-Key": key})
            assert code(response) == (400, "idempotency_key_invalid")

    @pytest.mark.parametrize("body", [{"package": "plus"}, {"package": "starter", "x": 1}])
    def test_a_key_of_another_body_is_refused(self, world: SimpleNamespace, body: Any) -> None:
        refusal = (422, "idempotency_key_reused")
        assert code(post(world.mina, PURCHASES, body, "used")) == refusal

    def test_a_key_of_another_route_is_refused(self, world: SimpleNamespace) -> None:
        body = {"recipient_id": str(world.ada.user.id), "amount": 1}
        assert code(post(world.mina, TRANSFERS, body, "used")) == (422, "idempotency_key_reused")


class TestOthersThings:
    """G13: what is another's is not even there."""

    def test_what_is_anothers_is_404(self, world: SimpleNamespace) -> None:
        style, image = f"/api/styles/{world.draft}/", f"images/{world.image}/"
        for method, path, body in (
            ("GET", f"{PURCHASES}{world.purchase}/", None),
            ("POST", f"/api/sandbox/purchases/{world.purchase}/pay", {}),
            ("GET", f"{ORDERS}{world.job}/", None),
            ("GET", f"{ORDERS}{world.job}/progress/", None),
            ("DELETE", f"/api/auth/keys/{world.key}/", None),
            ("GET", style, None),
            ("PATCH", style, {"generation_cost_tokens": 10}),
            ("DELETE", style, None),
            ("GET", f"{style}images/", None),
            ("POST", f"{style}images/", {}),
            ("DELETE", f"{style}{image}", None),
            ("POST", f"{style}{image}confirm/", None),
            ("DELETE", f"/api/styles/{world.eves}/{image}", None),
            ("POST", f"{style}train/", {}),
            ("GET", f"{style}progress/", None),
        ):
            headers = {"Idempotency-Key": f"k-{uuid4()}"}
            response = world.eve(method, path, body, headers=headers)
            assert response.status_code == 404, (method, path, response.content)

    def test_anothers_public_style_can_be_read_and_nothing_else(
        self, world: SimpleNamespace
    ) -> None:
        path = f"/api/styles/{world.trained}/"
        assert world.eve("GET", path).status_code == 200
        assert world.eve("PATCH", path, {"generation_cost_tokens": 10}).status_code == 404
        assert world.eve("DELETE", path).status_code == 404
        assert add(world.eve, world.trained, [picture(3)]).status_code == 404

    def test_an_upload_that_another_was_offered_cannot_be_counted(
        self, world: SimpleNamespace
    ) -> None:
        asked = {"filename": "a.png", "bytes": 5, "sha256": "a" * 64}
        offer = world.ada("POST", f"/api/styles/{world.draft}/images/", asked).json()
        assert world.eve("POST", offer["confirm_url"]).status_code == 404
        moved = offer["confirm_url"].replace(str(world.draft), str(world.eves))
        assert code(world.eve("POST", moved)) == (409, "upload_missing")
        assert code(world.ada("POST", offer["confirm_url"])) == (409, "upload_missing")

    def test_a_task_of_another_kind_or_nobodys_is_unknown(self, world: SimpleNamespace) -> None:
        """G9."""
        for task in (world.job, new_id(world.mina.user.id), uuid4(), UUID(int=0)):
            body = world.worker.body(None, task_id=str(task))
            response = world.worker.send_raw("/api/webhooks/generation/started", body)
            assert response.status_code in {404, 422}, response.content
        body = world.worker.body(None, task_id=str(world.task))
        as_training = world.worker.send_raw("/api/webhooks/training/started", body)
        assert code(as_training) == (404, "task_not_found")
        assert balance(world.mina.user.id) == (50, 100)

    def test_an_account_is_no_worker_and_a_worker_no_account(self, world: SimpleNamespace) -> None:
        body = {"task_id": str(world.task)}
        told = world.olga("POST", "/api/webhooks/generation/complete", body)
        assert code(told) == (401, "worker_not_proven")
        signed = world.worker.signed(b"")
        assert call("GET", "/api/tokens/balance/", headers=signed).status_code == 401


class TestPictures:
    @pytest.mark.parametrize(
        ("file", "fault"),
        [
            (b"", "not_an_image"),
            (b"MZ" + bytes(600), "not_an_image"),
            (b"GIF89a" + bytes(600), "unsupported_format"),
            (picture(5, size=(512, 511)), "too_small"),
            (picture(5)[:300], "undecodable"),
            (picture(5) + bytes(10 * 2**20), "too_large"),
        ],
        ids=["empty", "program", "gif", "small", "cut", "large"],
    )
    def test_what_is_no_picture_is_told_by_its_content(
        self, world: SimpleNamespace, file: bytes, fault: str
    ) -> None:
        """Its name says .jpg each time."""
        assert faults(add(world.ada, world.draft, [file])) == {"images.0": [fault]}

    def test_a_bomb_is_refused_by_its_header(self, world: SimpleNamespace) -> None:
        def chunk(name: bytes, data: bytes) -> bytes:
            check = struct.pack(">I", zlib.crc32(name + data))
            return struct.pack(">I", len(data)) + name + data + check

        size = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
        data = zlib.compress(bytes(1_000_000))
        bomb = b"\x89PNG\r\n\x1a\n" + b"".join(
            [chunk(b"IHDR", size), chunk(b"IDAT", data), chunk(b"IEND", b"")]
        )
        assert faults(add(world.ada, world.draft, [bomb])) == {"images.0": ["too_many_pixels"]}

    def test_the_same_picture_twice(self, world: SimpleNamespace) -> None:
        twice = add(world.ada, world.draft, [picture(6), picture(6)])
        assert faults(twice) == {"images.1": ["duplicate_image"]}
        assert code(add(world.ada, world.draft, [picture(1)])) == (409, "duplicate_image")

    def test_a_draft_with_a_bad_picture_is_no_draft(self, world: SimpleNamespace) -> None:
        form = {"name": "Ink", "training_images": [SimpleUploadedFile("a.png", b"no")]}
        headers = {"Authorization": f"Bearer {world.ada.key}"}
        response = Client().post("/api/styles/", form, headers=headers)
        assert faults(response) == {"training_images.0": ["not_an_image"]}


def keyed(world: SimpleNamespace) -> list[tuple[Caller, str, Any]]:
    """Return a good request to each route that moves tokens."""
    to = str(world.ada.user.id)
    return [
        (world.mina, TRANSFERS, {"recipient_id": to, "amount": 1}),
        (world.olga, GRANTS, {"user_id": to, "amount": 1}),
        (world.mina, PURCHASES, {"package": "starter"}),
        (world.mina, ORDERS, {"style_id": str(world.trained), "prompt": "a fox"}),
        (world.ada, f"/api/styles/{world.draft}/train/", {}),
    ]


def writes() -> Iterator[Route]:
    """Yield every method of every path that takes a body."""
    for route in routes():
        if route.method in {"POST", "PUT", "PATCH", "DELETE"}:
            yield route


def who(world: SimpleNamespace, route: Route) -> Caller:
    """Return somebody who may call the route."""
    caller: Caller = world.olga if route.who == "operators" else world.ada
    return caller


def path_of(route: Route) -> str:
    """Return the path with ids that name nothing."""
    path = re.sub(r"<uuid:\w+>", str(uuid4()), route.path)
    return (
        path.replace("<str:provider>", "sandbox")
        .replace("<str:kind>", "generation")
        .replace("<str:action>", "started")
        .replace("<str:name>", "index.html")
    )
