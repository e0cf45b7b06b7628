"""How a worker proves who it is: a Standard Webhooks signature, or the shared token."""

import base64
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlsplit

from standardwebhooks import Webhook

_PREFIX = "whsec_"


class CredentialsInvalid(Exception):
    """The secret or token cannot be used."""


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """The worker's id with its secret (`whsec_...`), or with INTERNAL_API_TOKEN and `trusted`.

    The token is a bearer's: it is sent to the origin `trusted` (`https://host:port`) only.
    """

    worker_id: str
    secret: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    trusted: str = ""

    def __post_init__(self) -> None:
        if self.secret:
            _check_secret(self.secret)
        elif not self.token:
            raise CredentialsInvalid("a secret or a token is needed")
        elif not self.trusted:
            raise CredentialsInvalid("a token needs the URL of the server it is meant for")

    def may_go_to(self, url: str) -> bool:
        """Tell whether this URL may be sent our proof: a signature anywhere, the token not."""
        return bool(self.secret) or origin(url) == self.trusted

    def headers_for(
        self, url: str, message_id: str, body: bytes, *, at: datetime | None = None
    ) -> dict[str, str]:
        """Return the headers that prove this body is ours, signed for the present moment.

        `at` is another moment, to see it refused. Raises CredentialsInvalid when the token would
        go to another server.
        """
        headers = {"X-Worker-Id": self.worker_id, "webhook-id": message_id}
        if not self.secret:
            if not self.may_go_to(url):
                raise CredentialsInvalid(f"the token is not sent to {origin(url)}")
            return headers | {"Authorization": f"Bearer {self.token}"}
        now = at or datetime.now(UTC)
        signature = Webhook(self.secret).sign(message_id, now, body.decode())
        return headers | {
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signature,
        }


def _check_secret(secret: str) -> None:
    """Raise CredentialsInvalid for what the library would decode to something shorter."""
    key = secret.removeprefix(_PREFIX)
    try:
        raw = base64.b64decode(key + "=" * (-len(key) % 4), validate=True)
    except ValueError:
        raw = b""
    if not secret.startswith(_PREFIX) or not raw:
        raise CredentialsInvalid(f"the secret is not of the form {_PREFIX}<base64>")


def origin(url: str) -> str:
    """Return scheme, host and port of a URL, in one spelling."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    return f"{parts.scheme}://{parts.hostname}:{port}"
