"""A small client of the API, as an app developer would write it."""

import time
import uuid
from dataclasses import dataclass
from typing import Any

import requests

TIMEOUT_SECONDS = 60


class Unexpected(Exception):
    """The API answered with a status that the story did not foresee."""


@dataclass(frozen=True)
class Client:
    """Calls the API as one account; `key` is its API key."""

    url: str
    key: str = ""

    def send(
        self, method: str, path: str, *, idempotency_key: str = "", **options: Any
    ) -> requests.Response:
        """Send one request; a POST gets an Idempotency-Key of its own when none is given."""
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        if method == "POST":
            headers["Idempotency-Key"] = idempotency_key or str(uuid.uuid4())
        return requests.request(
            method, f"{self.url}{path}", headers=headers, timeout=TIMEOUT_SECONDS, **options
        )

    def get(self, path: str) -> Any:
        """Return the JSON at `path`; raises Unexpected."""
        return self._json(self.send("GET", path), 200)

    def post(self, path: str, body: Any = None, *, status: int = 201, **options: Any) -> Any:
        """Post `body` as JSON and return the answer; raises Unexpected for another status."""
        if "files" not in options:
            options["json"] = {} if body is None else body
        return self._json(self.send("POST", path, **options), status)

    def wait(self, path: str, field: str, values: set[Any], seconds: float) -> Any:
        """Poll `path` until `field` is among `values`; return the answer; raises Unexpected."""
        deadline = time.monotonic() + seconds
        while True:
            answer = self.get(path)
            if answer[field] in values:
                return answer
            if time.monotonic() > deadline:
                raise Unexpected(f"{path}: {field} is still {answer[field]!r} after {seconds} s")
            time.sleep(0.2)

    def _json(self, response: requests.Response, status: int) -> Any:
        if response.status_code != status:
            raise Unexpected(
                f"{response.request.method} {response.request.path_url}: "
                f"{response.status_code} instead of {status}: {response.text[:500]}"
            )
        return response.json()


def sign_up(url: str, name: str) -> Client:
    """Open an account and return a client with its key."""
    body = {
        "username": name,
        "email": f"{name}@example.org",
        "password": f"{uuid.uuid4()} is long enough",
    }
    return Client(url, Client(url).post("/api/auth/signup/", body)["api_key"])
