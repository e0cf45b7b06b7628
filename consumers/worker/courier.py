"""Sends signed JSON to the server and reads its answer; every request has limits."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import requests

from consumers.worker.credentials import Credentials
from consumers.worker.retry import Retry, answered

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
MAX_ANSWER_BYTES = 1_048_576
OVER = frozenset({"stale", "job_closed", "late_ignored"})
GONE = frozenset({401, 403, 404})


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the server itself said: an HTTP status that is not "later", and its JSON object."""

    status: int
    body: Mapping[str, Any] = field(repr=False)

    @property
    def is_accepted(self) -> bool:
        return 200 <= self.status < 300

    @property
    def disposition(self) -> str:
        """What became of a callback; empty if the answer does not say."""
        return str(self.body.get("disposition", "")) if self.is_accepted else ""

    @property
    def wants_cancel(self) -> bool:
        return self.is_accepted and self.body.get("cancel") is True

    @property
    def is_over(self) -> bool:
        """Whether an answer to a progress report means that the job is not ours any more."""
        return self.status in GONE or self.disposition in OVER

    @property
    def code(self) -> str:
        """The code of a refusal or a rejected result; empty if there is none."""
        error = self.body.get("error")
        given = error.get("code") if isinstance(error, dict) else self.body.get("code")
        return given if isinstance(given, str) else ""


def new_session() -> requests.Session:
    """Return a session that follows proxies of the environment but sends no stored password."""
    session = requests.Session()
    session.auth = _unchanged
    session.headers["User-Agent"] = "ledger-worker"
    session.headers["Accept-Encoding"] = "identity"
    return session


def _unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Add nothing to a request: keeps requests from taking a password out of .netrc."""
    return request


class Courier:
    """Sends for one thread at a time."""

    def __init__(self, credentials: Credentials, retry: Retry | None = None) -> None:
        self._credentials = credentials
        self._retry = retry or Retry()
        self._session = new_session()

    @property
    def credentials(self) -> Credentials:
        """Who sends."""
        return self._credentials

    def may_send_to(self, url: str) -> bool:
        """Tell whether our credentials may be sent to this URL."""
        return self._credentials.may_go_to(url)

    def post(
        self,
        url: str,
        body: bytes,
        *,
        message_id: str,
        retries: bool = True,
        read_seconds: float = READ_SECONDS,
        stop: threading.Event | None = None,
        told: str = "disposition",
        traceparent: str = "",
    ) -> Answer:
        """POST a JSON body under a message id that stays the same when it is sent again.

        An answer counts if it is an object with the field `told`, or an error of our server.
        Raises Unreachable, and CredentialsInvalid if the token must not go there.
        """

        trace = {"traceparent": traceparent} if traceparent else {}

        def send() -> tuple[requests.Response, bytes]:
            with self._session.post(
                url,
                data=body,
                headers={
                    "Content-Type": "application/json",
                    **self._credentials.headers_for(url, message_id, body),
                    **trace,
                },
                timeout=(CONNECT_SECONDS, read_seconds),
                allow_redirects=False,
                stream=True,
            ) as response:
                return response, response.raw.read(MAX_ANSWER_BYTES, decode_content=False)

        retry = self._retry if retries else self._retry.once()
        counts = partial(_is_ours, told)
        response, content = answered(send, retry=retry, stop=stop, counts=counts)
        return Answer(status=response.status_code, body=_object(content))

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


def is_error(content: bytes) -> bool:
    """Tell whether this is an error as our server writes it (design section 10), no one else's."""
    error = _object(content).get("error")
    return isinstance(error, dict) and {"code", "retryable", "request_id"} <= set(error)


def _is_ours(told: str, response: requests.Response, content: bytes) -> bool:
    if 200 <= response.status_code < 300:
        return told in _object(content)
    return is_error(content)


def _object(content: bytes) -> Mapping[str, Any]:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}
