"""The server's side of the worker protocol (design section 9), over real HTTP, for the kit's tests.

It checks signatures, hands out tasks, serves inputs, takes uploads and remembers callbacks. What
it answers can be scripted per path. The acceptance tests run the kit against the real server.
"""

import hashlib
import json
import threading
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import policy
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from uuid import uuid4

from standardwebhooks import Webhook, WebhookVerificationError

SECRET = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"
TOKEN = "shared-token"
WORKER_ID = "worker-1"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A request as it arrived."""

    at: float
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer of the script: `hangs_up` sends nothing, `delay` waits first."""

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    hangs_up: bool = False
    delay: float = 0.0


def applied(**more: Any) -> Reply:
    """Return the usual answer to a callback."""
    return Reply(body={"status": "ok", "disposition": "applied", "cancel": False, **more})


def refused(status: int, code: str = "no") -> Reply:
    """Return a refusal as the server writes it (design section 10)."""
    error = {"code": code, "message": "No.", "details": {}, "retryable": False, "request_id": "r"}
    return Reply(status=status, body={"error": error})


PROXY_REPLIES = [
    Reply(status=404, body=b"<html>no such page</html>"),
    Reply(status=404, body={"error": {"code": "not_found", "message": "of another service"}}),
    Reply(status=302, headers={"Location": "https://login.example.org/"}),
    Reply(status=401, body={"message": "no API key found in request"}),
    Reply(body=b"<html>please sign in</html>", headers={"Content-Type": "text/html"}),
    Reply(body=b"[]"),
    Reply(body=b"\xff"),
    Reply(),
]
"""What proxies, balancers and login pages say in the server's place."""


class WorkerServer:
    """One server on a free port; use as a context manager."""

    def __init__(self) -> None:
        self.tasks: deque[Any] = deque()
        self.files: dict[str, bytes] = {}
        self.uploads: dict[str, tuple[dict[str, str], bytes, str]] = {}
        self.seen: list[Seen] = []
        self.script: dict[str, deque[Reply]] = defaultdict(deque)
        self.is_closed = False
        self._changed = threading.Condition()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> "WorkerServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_closed = True
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)

    def serve_file(self, name: str, content: bytes) -> dict[str, str]:
        """Serve `content` and return {url, sha256}."""
        self.files[f"/files/{name}"] = content
        return {
            "url": f"{self.url}/files/{name}",
            "sha256": hashlib.sha256(content).hexdigest(),
        }

    def task(self, kind: str, data: dict[str, Any], *, form: bool = True) -> dict[str, Any]:
        """Queue a task and return its body; with `form` the upload is a presigned POST."""
        short = {"image_generation": "generation", "model_training": "training"}[kind]
        task_id = str(uuid4())
        body = {
            "task_id": task_id,
            "type": kind,
            "attempt": 1,
            "created_at": datetime.now(UTC).isoformat(),
            "deadline": (datetime.now(UTC) + timedelta(minutes=10)).isoformat(),
            "data": data,
            "upload": {
                "url": f"{self.url}/uploads/{task_id}",
                "fields": {"key": f"uploads/{task_id}", "policy": "signed"} if form else {},
            },
            "callback_url": f"{self.url}/api/webhooks/{short}/complete",
            "callbacks": {
                action: f"{self.url}/api/webhooks/{short}/{action}"
                for action in ("started", "progress", "complete", "failed")
            },
        }
        self.tasks.append(body)
        return body

    def generation(self, model: bytes = b"model", **more: Any) -> dict[str, Any]:
        """Queue a generation and return its body."""
        data = {
            "generation_id": str(uuid4()),
            "style_id": str(uuid4()),
            "prompt": "a secret wish",
            "model": self.serve_file("model", model),
            "parameters": {"size": "512x512", "steps": 4, "seed": 42},
        }
        return self.task("image_generation", data, **more)

    def training(self, images: list[dict[str, str]], **more: Any) -> dict[str, Any]:
        """Queue a training that takes checkpoints and return its body; `more` is further data."""
        parameters = {"epochs": 40, "learning_rate": 0.0001}
        known = {"training_id": "t", "style_id": "s", "images": images, "parameters": parameters}
        task = self.task("model_training", known | more)
        key = f"{task['task_id']}-checkpoint"
        task["checkpoint_upload"] = {"url": f"{self.url}/uploads/{key}", "fields": {"key": key}}
        return task

    def callbacks(self, action: str = "") -> list[Seen]:
        """Return the callbacks so far, of one action or of all."""
        ends = f"/{action}" if action else ""
        return [s for s in self.seen if "/webhooks/" in s.path and s.path.endswith(ends)]

    def wait_for(self, path_part: str, count: int = 1, seconds: float = 10.0) -> list[Seen]:
        """Wait until `count` requests for such a path have come, and return them."""

        def found() -> list[Seen]:
            return [s for s in self.seen if path_part in s.path]

        with self._changed:
            assert self._changed.wait_for(lambda: len(found()) >= count, seconds), path_part
        return found()

    def note(self, seen: Seen) -> None:
        with self._changed:
            self.seen.append(seen)
            self._changed.notify_all()

    def reply_to(self, seen: Seen) -> Reply:
        """Return what the script says, else what the protocol says."""
        ending = seen.path.rstrip("/").rsplit("/", 1)[-1]
        if self.script[ending]:
            return self.script[ending].popleft()
        if seen.path == "/api/worker/tasks/" or "/webhooks/" in seen.path:
            if not _is_authentic(seen):
                return refused(401, "worker_not_proven")
            return self._heard(seen) if "/webhooks/" in seen.path else self._poll(seen)
        if seen.path in self.files and seen.method == "GET":
            return Reply(body=self.files[seen.path])
        if seen.path.startswith("/uploads/"):
            self.uploads[ending] = _upload_of(seen)
            return Reply(status=204)
        return refused(404, "not_found")

    def _heard(self, seen: Seen) -> Reply:
        stated = seen.json.get("data", {}).get("checkpoint")
        if not stated:
            return applied()
        _, content, _ = self.uploads.get(f"{seen.json['task_id']}-checkpoint", ({}, b"", ""))
        is_right = stated["sha256"] == hashlib.sha256(content).hexdigest()
        return applied(checkpoint="kept" if is_right else "rejected")

    def _poll(self, seen: Seen) -> Reply:
        until = time.monotonic() + seen.json["wait_seconds"]
        while not self.tasks and time.monotonic() < until and not self.is_closed:
            time.sleep(0.02)
        return Reply(body={"task": self.tasks.popleft() if self.tasks else None})


def _is_authentic(seen: Seen) -> bool:
    if seen.headers.get("x-worker-id") != WORKER_ID or not seen.headers.get("webhook-id"):
        return False
    if "webhook-signature" not in seen.headers:
        return seen.headers.get("authorization") == f"Bearer {TOKEN}"
    try:
        Webhook(SECRET).verify(seen.body, seen.headers)
    except WebhookVerificationError:
        return False
    return True


def _upload_of(seen: Seen) -> tuple[dict[str, str], bytes, str]:
    """Return the form's fields, the file and its content type; a PUT has no fields."""
    if seen.method == "PUT":
        return {}, seen.body, seen.headers["content-type"]
    head = b"Content-Type: " + seen.headers["content-type"].encode() + b"\r\n\r\n"
    form = BytesParser(policy=policy.HTTP).parsebytes(head + seen.body)
    fields: dict[str, str] = {}
    content, content_type = b"", ""
    for part in form.iter_parts():
        name = part.get_param("name", header="content-disposition")
        if name == "file":
            content, content_type = part.get_content(), part.get_content_type()
        else:
            assert not content, "fields come before the file"
            fields[str(name)] = cast(bytes, part.get_payload(decode=True)).decode()
    return fields, content, content_type


def _handler(server: WorkerServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def do_PUT(self) -> None:
            self._answer()

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            seen = Seen(
                at=time.monotonic(),
                method=self.command,
                path=self.path,
                headers={k.lower(): v for k, v in self.headers.items()},
                body=self.rfile.read(length),
            )
            server.note(seen)
            reply = server.reply_to(seen)
            time.sleep(reply.delay)
            if reply.hangs_up:
                self.close_connection = True
                return
            content = (
                reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            )
            try:
                self.send_response(reply.status)
                for name, value in {"Content-Length": str(len(content)), **reply.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if reply.status != 204:
                    self.wfile.write(content)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    return Handler
