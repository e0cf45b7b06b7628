"""Sends what a worker sends, and what it should not, and says what came back."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import uuid4

from consumers.worker.courier import CONNECT_SECONDS, Answer, is_error, new_session
from consumers.worker.credentials import Credentials
from consumers.worker.retry import LOST

READ_SECONDS = 35.0
OTHER_SECRET = "whsec_" + "bm90LXRoZS1zZWNyZXQ="  # a wrong one, to be refused


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What came back: HTTP status with the disposition or code, and the JSON object."""

    word: str
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)


class Probe:
    """One worker's requests to one server."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._session = new_session()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def send(
        self,
        url: str,
        body: Mapping[str, Any] | bytes,
        *,
        method: str = "POST",
        message_id: str = "",
        at: datetime | None = None,
        forged: bool = False,
        signs: Mapping[str, Any] | None = None,
    ) -> Heard:
        """Send a signed body once: signed as of `at`, `forged` by another secret, or as if it were
        `signs`.
        """
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        who = replace(self._credentials, secret=OTHER_SECRET) if forged else self._credentials
        signed = content if signs is None else json.dumps(signs).encode()
        headers = who.headers_for(url, message_id or f"check_{uuid4()}", signed, at=at)
        return self._sent(method, url, content, headers)

    def send_unsigned(self, url: str, body: Mapping[str, Any]) -> Heard:
        """Send a body that nothing vouches for."""
        return self._sent("POST", url, json.dumps(body).encode(), {})

    def _sent(self, method: str, url: str, content: bytes, headers: Mapping[str, str]) -> Heard:
        try:
            response = self._session.request(
                method,
                url,
                data=content,
                headers={"Content-Type": "application/json", **headers},
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
            )
        except LOST as error:
            return Heard(word=f"no answer ({type(error).__name__})")
        return _heard(response.status_code, response.content)


def _heard(status: int, content: bytes) -> Heard:
    try:
        body = json.loads(content)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return Heard(word=f"{status}, but no JSON object")
    answer = Answer(status=status, body=body)
    if not answer.is_accepted and not is_error(content):
        return Heard(word=f"{status}, but not in the form of an error (design section 10)")
    return Heard(word=f"{status} {answer.disposition or answer.code}".strip(), body=body)
