"""A tour of the whole API: people, tokens, a style, a picture, each request kept as an example."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from standardwebhooks.webhooks import Webhook

from api.payments import sign
from consumers.embedded import EmbeddedBroker
from consumers.relay import Relay
from consumers.topology import TOPOLOGY
from core.keys import issue
from core.models import Role, User
from core.storage import store
from ledger.domain.refund import ClearEarnings
from ledger.objects import task_upload_key
from projections.follow import catch_up
from tests.acceptance.exchanges import HEADERS_SHOWN, Exchange
from tests.jobs import announced, give, model
from tests.jobs import picture as painted
from tests.pictures import picture

PASSWORD = "correct horse battery"
IMAGES = 10


class Tour:
    """Walks every route once; `examples` holds the exchanges by group, in order."""

    def __init__(self) -> None:
        self.examples: dict[str, list[Exchange]] = {}
        self._group: list[Exchange] = []
        self._keys = 0

    def walk(self) -> dict[str, list[Exchange]]:
        """Do it all and return the examples."""
        broker = EmbeddedBroker()
        broker.declare(TOPOLOGY)
        self._relay = Relay(broker)
        for part in (
            self.accounts,
            self.tokens,
            self.workers,
            self.styles,
            self.training,
            self.generations,
            self.afterwards,
            self.earnings,
            self.files,
            self.system,
            self.refusals,
        ):
            self._group = self.examples.setdefault(part.__doc__ or "", [])
            part()
        broker.close()
        return self.examples

    def show(
        self,
        title: str,
        method: str,
        path: str,
        body: Any = None,
        *,
        who: str | None = None,
        is_keyed: bool = False,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, Any] | None = None,
    ) -> Any:
        """Send one request, keep it as an example, and return its answer."""
        shown = dict(headers or {})
        if who is not None:
            shown["Authorization"] = f"Bearer {who}"
        if is_keyed:
            self._keys += 1
            shown["Idempotency-Key"] = f"example-{self._keys}"
        response = self.send(method, path, body, headers=shown, form=form)
        sent = "(multipart/form-data: {})".format(", ".join(form)) if form else body
        self._group.append(
            Exchange(
                title=title,
                method=method,
                path=path,
                headers=tuple(shown.items()),
                sent=f"({len(sent)} bytes)" if isinstance(sent, bytes) else sent,
                status=response.status_code,
                answer_headers=tuple(
                    (name, response[name]) for name in HEADERS_SHOWN if name in response
                ),
                answer=_content(path, response),
            )
        )
        is_json = response.get("Content-Type", "").startswith("application/json")
        return response.json() if is_json else response

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, Any] | None = None,
    ) -> Any:
        """Send one request: `form` as multipart, bytes as they are, all else as JSON."""
        client = Client(raise_request_exception=False)
        if form is not None:
            return client.post(path, form, headers=dict(headers or {}))
        is_raw = isinstance(body, bytes)
        raw = body if is_raw else b"" if body is None else json.dumps(body).encode()
        kind = "application/octet-stream" if is_raw else "application/json"
        return client.generic(method, path, raw, kind, headers=dict(headers or {}))

    def accounts(self) -> None:
        """Accounts"""
        asked = {"username": "mina", "email": "mina@example.org", "password": PASSWORD}
        signed_up = self.show("Sign up", "POST", "/api/auth/signup/", asked)
        self.mina, self.mina_id = signed_up["api_key"], signed_up["user"]["id"]
        other = {"username": "ada", "email": "ada@example.org", "password": PASSWORD}
        ada = self.send("POST", "/api/auth/signup/", other).json()
        self.ada, self.ada_id = ada["api_key"], ada["user"]["id"]
        self.operator = _account("olga", Role.OPERATOR)
        again = {"username": "mina", "password": PASSWORD, "create_key": True}
        self.show("Log in", "POST", "/api/auth/login/", again)
        self.show("Who am I", "GET", "/api/auth/me/", who=self.mina)
        wanted = {"name": "phone", "scopes": ["read"]}
        key = self.show("Make a key", "POST", "/api/auth/keys/", wanted, who=self.mina)
        self.show("One's keys", "GET", "/api/auth/keys/?limit=1", who=self.mina)
        self.show("Revoke a key", "DELETE", f"/api/auth/keys/{key['id']}/", who=self.mina)
        self.show("Log out", "POST", "/api/auth/logout/", who=self.mina)
        self.show("One's account", "GET", "/api/users/me/", who=self.mina)
        change = {"username": "mina.k"}
        self.show("Change one's account", "PATCH", "/api/users/me/", change, who=self.mina)
        upgrade = {"artist_name": "Ada 작가", "verified_email": "ada@example.org"}
        path = "/api/users/me/upgrade-to-artist/"
        self.show("Become an artist", "POST", path, upgrade, who=self.ada)
        self.show("Another's account", "GET", f"/api/users/{self.ada_id}/", who=self.mina)

    def tokens(self) -> None:
        """Tokens"""
        self.show("Packages", "GET", "/api/tokens/packages/")
        path = "/api/tokens/purchases/"
        bought = self.show(
            "Buy a package", "POST", path, {"package": "starter"}, who=self.mina, is_keyed=True
        )
        pay = f"/api/sandbox/purchases/{bought['id']}/pay"
        self.show("Pay in the sandbox", "POST", pay, {"outcome": "paid"}, who=self.mina)
        self.show("A purchase", "GET", f"{path}{bought['id']}/", who=self.mina)
        reported = {
            "type": "payment.paid",
            "payment_key": f"sandbox-paid-{bought['id']}",
            "purchase_id": bought["id"],
            "amount": bought["price_cents"],
            "currency": bought["currency"],
        }
        signed = sign(reported)
        self.show(
            "A provider reports a payment, here for the second time",
            "POST",
            "/api/webhooks/payments/sandbox",
            json.loads(signed.body),
            headers=signed.headers,
        )
        given = {"user_id": self.ada_id, "amount": 250, "colour": "paid", "reason": "prize"}
        self.show(
            "Grant tokens",
            "POST",
            "/api/tokens/grants/",
            given,
            who=self.operator,
            is_keyed=True,
        )
        sent = {"recipient_id": self.ada_id, "amount": 30, "memo": "고마워요 🦊"}
        self.show(
            "Transfer tokens",
            "POST",
            "/api/tokens/transfers/",
            sent,
            who=self.mina,
            is_keyed=True,
        )
        self.show("One's balance", "GET", "/api/tokens/balance/", who=self.mina)
        path = "/api/tokens/balance/?explain=true"
        self.show("One's balance, explained", "GET", path, who=self.mina)
        catch_up()
        self.show("One's statement", "GET", "/api/tokens/transactions/?limit=2", who=self.mina)

    def workers(self) -> None:
        """Workers"""
        wanted = {"name": "painter-1", "job_types": ["image_generation", "model_training"]}
        made = self.show("Create a worker", "POST", "/api/workers/", wanted, who=self.operator)
        self.show("All workers", "GET", "/api/workers/", who=self.operator)
        path = f"/api/workers/{made['id']}/"
        self.show("A worker", "GET", path, who=self.operator)
        renewed = self.show("Renew a secret", "POST", f"{path}rotate/", who=self.operator)
        self.worker_id, self.secret = made["id"], renewed["secret"]
        other = self.send(
            "POST",
            "/api/workers/",
            {"name": "x"},
            headers={"Authorization": f"Bearer {self.operator}"},
        ).json()
        self.show("Revoke a worker", "DELETE", f"/api/workers/{other['id']}/", who=self.operator)

    def styles(self) -> None:
        """Styles"""
        ada = {"who": self.ada}
        drawn = {
            "name": "겨울 숲",
            "description": "Ink and snow.",
            "generation_cost_tokens": 120,
            "tags": ["ink", "겨울"],
        }
        style = self.show("Draft a style", "POST", "/api/styles/", drawn, **ada)
        self.style_id = style["id"]
        path = f"/api/styles/{self.style_id}/"
        images = f"{path}images/"
        form = {"images": [_file(0), _file(1)]}
        added = self.show("Add training images", "POST", images, form=form, **ada)
        data = picture(2)
        wanted = announced(data) | {"filename": "third.png"}
        del wanted["content_type"]
        offer = self.show("Ask for an upload of one's own", "POST", images, wanted, **ada)
        self.upload, self.upload_data = offer["upload"], data
        link = urlsplit(offer["upload"]["url"]).path
        form = offer["upload"]["fields"] | {"file": _file(2)}
        self.show("Upload by that form", "POST", link, form=form)
        self.show("Count the upload", "POST", offer["confirm_url"], **ada)
        first = added["results"][0]["id"]
        self.show("Remove a training image", "DELETE", f"{images}{first}/", **ada)
        catch_up()
        self.show("The training images", "GET", images, **ada)
        change = {"generation_cost_tokens": 100}
        self.show("Change a style", "PATCH", path, change, **ada)
        rest = {"images": [_file(number) for number in range(3, IMAGES + 1)]}
        self.send("POST", images, form=rest, headers={"Authorization": f"Bearer {self.ada}"})

    def training(self) -> None:
        """Training"""
        path = f"/api/styles/{self.style_id}/"
        self.send("POST", f"{path}train/", {}, headers=_keyed(self.ada, "too-soon"))
        self.show("Cancel a training", "POST", f"{path}cancel/", who=self.ada)
        self._take(["model_training"])  # its task was sent, and is over
        self.show(
            "Train a style", "POST", f"{path}train/", {"epochs": 200}, who=self.ada, is_keyed=True
        )
        task = self._task("A worker takes a task", ["model_training"])
        self._report("A worker starts", task, "training", "started", {"worker": "painter-1"})
        told = {"percent": 50, "current_epoch": 100, "total_epochs": 200}
        self._report("A worker tells how far it is", task, "training", "progress", told, "PATCH")
        catch_up()
        self.show("How far a training is", "GET", f"{path}progress/", who=self.ada)
        store().put(task_upload_key(task["task_id"]), model(), "application/octet-stream")
        done = announced(model(), "application/octet-stream")
        self._report("A worker is done", task, "training", "complete", done)
        catch_up()
        self.show("A style that all can order in", "GET", path)
        self.show("All such styles", "GET", "/api/styles/?tag=ink&fields=id,name,artist_name")
        self.show("One's own styles", "GET", "/api/styles/mine/?limit=1", who=self.ada)

    def generations(self) -> None:
        """Generations"""
        path = "/api/generations/"
        mina = {"who": self.mina}
        wanted = {"style_id": self.style_id}
        self.show("What a picture costs", "POST", f"{path}quote/", wanted, **mina)
        order = wanted | {
            "prompt": "눈 속의 여우 🦊",
            "parameters": {"size": "512x512", "steps": 50, "seed": 42},
            "expected_price": 100,
        }
        made = self.show("Order a picture", "POST", path, order, is_keyed=True, **mina)
        task = self._task("A worker takes its task", ["image_generation"])
        self._report("A worker paints", task, "generation", "started", {"worker": "painter-1"})
        self._report("It is half done", task, "generation", "progress", {"percent": 50})
        self.show("How far a picture is", "GET", f"{path}{made['id']}/progress/", **mina)
        store().put(task_upload_key(task["task_id"]), painted(), "image/png")
        self._report("It is done", task, "generation", "complete", announced(painted()))
        done = self.show("A picture, paid for", "GET", f"{path}{made['id']}/", **mina)
        self.link, self.made = urlsplit(done["result"]["url"]).path, made["id"]
        refused = self.send(
            "POST",
            path,
            order,
            headers={"Authorization": f"Bearer {self.mina}", "Idempotency-Key": "example-refused"},
        ).json()
        task = self._take(["image_generation"]).json()["task"]
        self._send_report(task, "generation", "started", {})
        why = {"code": "moderation", "message": "Not in this house.", "retryable": False}
        self._report("A worker refuses", task, "generation", "failed", why)
        self.show("A picture that failed", "GET", f"{path}{refused['id']}/", **mina)
        self.failed, self.failed_task = refused["id"], task
        catch_up()
        fields = "id,status,prompt,progress"
        listed = f"{path}my_generations/?status=completed&fields={fields}"
        self.show("One's pictures", "GET", listed, **mina)
        self.show("Published pictures", "GET", path)

    def afterwards(self) -> None:
        """Cancel, order again, late results, refunds"""
        path, mina = "/api/generations/", {"who": self.mina}
        again = f"{path}{self.failed}/retry/"
        wanted = {"expected_price": 100}
        ordered = self.show("Order it again", "POST", again, wanted, is_keyed=True, **mina)
        waiting = f"{path}{ordered['id']}/"
        self.show("What a cancel would give back", "GET", f"{waiting}cancel-preview/", **mina)
        self.show("Cancel a picture", "POST", f"{waiting}cancel/", **mina)
        store().put(task_upload_key(self.failed_task["task_id"]), painted(), "image/png")
        self._report(
            "A result that comes too late", self.failed_task, "generation", "complete",
            announced(painted()),
        )  # fmt: skip
        late = f"{path}{self.failed}/accept-late/"
        self.late = self.show("Take it all the same", "POST", late, is_keyed=True, **mina)["id"]
        why = {"reason": "broken_image", "note": "The fox has five legs."}
        back = f"{path}{self.made}/refund/"
        self.show("An operator refunds", "POST", back, why, who=self.operator, is_keyed=True)

    def earnings(self) -> None:
        """Earnings"""
        give(ClearEarnings(generation_id=UUID(self.late)))
        catch_up()
        ada, operator = {"who": self.ada}, {"who": self.operator}
        path = "/api/tokens/payouts/"
        self.show("What one has earned", "GET", "/api/tokens/earnings/", **ada)
        wanted = {"amount": 40, "destination": "The account that you know"}
        asked = self.show("Have it paid out", "POST", path, wanted, is_keyed=True, **ada)
        self.show("A payout", "GET", f"{path}{asked['id']}/", **ada)
        sent = {"reference": "2026-11/17", "amount_cents": 400, "currency": "USD"}
        pay = f"{path}{asked['id']}/pay/"
        self.show("An operator has paid it", "POST", pay, sent, is_keyed=True, **operator)
        headers = _keyed(self.ada, "second-payout")
        other = self.send("POST", path, {"amount": 30}, headers=headers).json()["id"]
        why = {"reason": "account_unknown"}
        back = f"{path}{other}/return/"
        self.show("An operator could not pay it", "POST", back, why, is_keyed=True, **operator)
        claim = "/api/tokens/earnings/claim/"
        self.show("Spend it oneself", "POST", claim, {"amount": 20}, is_keyed=True, **ada)

    def files(self) -> None:
        """Files"""
        self.show("Fetch a result", "GET", self.link)
        offered = self.send(
            "POST",
            f"/api/styles/{self.style_id}/images/",
            {
                "filename": "a.png",
                "bytes": len(picture(20)),
                "sha256": announced(picture(20))["sha256"],
            },
            headers={"Authorization": f"Bearer {self.ada}"},
        ).json()
        link = urlsplit(offered["upload"]["url"]).path
        self.show("Upload as a body", "PUT", link, picture(20))
        gone = f"/api/styles/{self.style_id}/"
        self.show("Take a style off the market", "DELETE", gone, who=self.ada)

    def system(self) -> None:
        """System"""
        self.show("Alive", "GET", "/healthz")
        self.show("Ready", "GET", "/readyz")
        self.show("What a monitor reads", "GET", "/metrics", who="METRICS_TOKEN")
        self.show("What is billed when", "GET", "/api/billing-matrix/")
        self.show("The OpenAPI document", "GET", "/api/schema/")
        self.show("The page that shows it", "GET", "/api/docs/")

    def refusals(self) -> None:
        """Refusals"""
        path, mina = "/api/tokens/transfers/", {"who": self.mina}
        sent = {"recipient_id": self.ada_id, "amount": 5}
        self.show("400: a key is missing", "POST", path, sent, **mina)
        self.show("401: nobody signed in", "GET", "/api/tokens/balance/")
        much = sent | {"amount": 1_000_000}
        self.show("402: too few tokens", "POST", path, much, is_keyed=True, **mina)
        grant = {"user_id": self.mina_id, "amount": 5}
        self.show(
            "403: another role's", "POST", "/api/tokens/grants/", grant, is_keyed=True, **mina
        )
        self.show("404: no such thing", "GET", f"/api/generations/{uuid4()}/", **mina)
        self.show("405: no such method", "PUT", "/api/tokens/balance/", {}, **mina)
        upgrade = {"artist_name": "Other", "verified_email": "ada@example.org"}
        already = "/api/users/me/upgrade-to-artist/"
        self.show("409: not in this state", "POST", already, upgrade, who=self.ada)
        wild = sent | {"amount": "5", "recipient_id": "ada"}
        self.show("422: fields", "POST", path, wild, is_keyed=True, **mina)
        self.send("POST", path, sent, headers=_keyed(self.mina, "twice"))
        other = {"Idempotency-Key": "twice"}
        self.show("A key sent again", "POST", path, sent, headers=other, **mina)
        self.show("422: a key for another body", "POST", path, much, headers=other, **mina)

    def _task(self, title: str, job_types: list[str]) -> Any:
        self._relay.round()
        body = {"job_types": job_types, "wait_seconds": 0}
        path = "/api/worker/tasks/"
        return self.show(title, "POST", path, body, headers=self._signed(body))["task"]

    def _take(self, job_types: list[str]) -> Any:
        self._relay.round()
        body = {"job_types": job_types}
        return self.send("POST", "/api/worker/tasks/", body, headers=self._signed(body))

    def _report(
        self, title: str, task: Any, kind: str, action: str, data: Any, method: str = "POST"
    ) -> None:
        body = self._told(task, data)
        path = f"/api/webhooks/{kind}/{action}"
        self.show(title, method, path, body, headers=self._signed(body))

    def _send_report(self, task: Any, kind: str, action: str, data: Any) -> None:
        body = self._told(task, data)
        self.send("POST", f"/api/webhooks/{kind}/{action}", body, headers=self._signed(body))

    def _told(self, task: Any, data: Any) -> dict[str, Any]:
        task.setdefault("sequence", 0)
        task["sequence"] += 1
        return {
            "task_id": task["task_id"],
            "claim": task.setdefault("claim", str(uuid4())),
            "sequence": task["sequence"],
            "occurred_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "data": data,
        }

    def _signed(self, body: Any) -> dict[str, str]:
        name, now = f"msg_{uuid4()}", datetime.now(UTC)
        return {
            "X-Worker-Id": self.worker_id,
            "webhook-id": name,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(self.secret).sign(name, now, json.dumps(body)),
        }


def _account(name: str, role: str) -> str:
    user = User.objects.create(username=name, email=f"{name}@example.org", role=role)
    return issue(user)[1]


def _file(number: int) -> SimpleUploadedFile:
    return SimpleUploadedFile(f"{number}.png", picture(number), "image/png")


def _keyed(who: str, key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {who}", "Idempotency-Key": key}


def _content(path: str, response: Any) -> Any:
    """Return an answer's JSON, or in brackets what it is; the schema is too long to show."""
    kind = response.get("Content-Type", "").partition(";")[0]
    if kind == "application/json":
        return "(OpenAPI 3, JSON)" if path == "/api/schema/" else response.json()
    return f"({kind})" if kind and response.status_code != 204 else None
