"""What the command is told, by arguments or by the environment, checked before anything runs."""

import argparse
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from consumers.worker.credentials import Credentials, CredentialsInvalid, origin

MAX_WAIT_SECONDS = 20
"""As long as the server lets a poll wait."""

_WORKER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_FAMILY = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)


class SettingsInvalid(Exception):
    """A setting is missing or wrong; the message says which and what to do."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to reach the server, as whom, and where to keep the claim."""

    url: str
    amqp_url: str = field(repr=False)
    queue_prefix: str
    family: str
    worker_id: str
    credentials: Credentials
    state_dir: Path
    wait_seconds: int
    grace_seconds: float
    give_up_seconds: float
    log_level: str
    is_once: bool


def read_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Read the settings; arguments win over the environment. Raises SettingsInvalid.

    Exits with 2, as argparse does, for an argument that it does not know.
    """
    given = _parser(environment).parse_args(arguments)
    url, amqp_url = given.url.strip(), given.amqp.strip()
    if not url and not amqp_url:
        raise SettingsInvalid("say where tasks come from: --url or WORKER_URL, or --amqp")
    _check_url(url, {"http", "https"}, "--url")
    _check_url(amqp_url, {"amqp", "amqps"}, "--amqp")
    if not _WORKER_ID.fullmatch(given.worker_id):
        raise SettingsInvalid("--worker-id or WORKER_ID: 1 to 64 letters, digits, dots, - and _")
    if given.family and not _FAMILY.fullmatch(given.family):
        raise SettingsInvalid("--family or WORKER_FAMILY: small letters, digits and _")
    return Settings(
        url=url,
        amqp_url=amqp_url,
        queue_prefix=given.queue_prefix,
        family=given.family,
        worker_id=given.worker_id,
        credentials=_credentials(given, url, environment.get("INTERNAL_API_TOKEN", "")),
        state_dir=Path(given.state_dir) / "workers" / given.worker_id,
        wait_seconds=given.wait_seconds,
        grace_seconds=given.grace_seconds,
        give_up_seconds=given.give_up_seconds,
        log_level=given.log_level.upper(),
        is_once=given.once,
    )


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m consumers.worker",
        description="Takes tasks, works on them, reports. Arguments win over the environment.",
    )
    known = environment.get
    add = parser.add_argument
    add("--url", default=known("WORKER_URL", ""), help="the server (WORKER_URL)")
    add("--amqp", default=known("AMQP_URL", ""), help="RabbitMQ instead of polling (AMQP_URL)")
    add("--queue-prefix", default=known("QUEUE_PREFIX", ""), help="QUEUE_PREFIX")
    add(
        "--family",
        default=known("WORKER_FAMILY", ""),
        help="of the models that it paints with, where the server knows families (WORKER_FAMILY)",
    )
    add("--worker-id", default=known("WORKER_ID", ""), help="WORKER_ID")
    add(
        "--secret",
        default=known("WORKER_SECRET", ""),
        help="whsec_...; WORKER_SECRET does not show in the list of processes; without a "
        "secret INTERNAL_API_TOKEN is sent to --url",
    )
    add("--state-dir", default=known("STATE_DIR", ".state"), help="for the claim (STATE_DIR)")
    add("--wait-seconds", type=_seconds, default=20, help="length of a long poll")
    add("--grace-seconds", type=float, default=25.0, help="to finish a task after SIGTERM")
    add(
        "--give-up-seconds",
        type=float,
        default=math.inf,
        help="to wait for a server that is away; inf, the default: for ever",
    )
    add(
        "--log-level",
        default=known("LOG_LEVEL", "INFO"),
        choices=["DEBUG", "INFO", "WARNING", "ERROR"],
        type=str.upper,
    )
    add("--once", action="store_true", help="end after one task, or when none came")
    return parser


def _seconds(text: str) -> int:
    seconds = int(text)
    if not 0 <= seconds <= MAX_WAIT_SECONDS:
        raise argparse.ArgumentTypeError(f"0 to {MAX_WAIT_SECONDS} seconds")
    return seconds


def _check_url(url: str, schemes: set[str], name: str) -> None:
    try:
        parts = urlsplit(url)
        is_wrong = parts.scheme not in schemes or not parts.netloc
    except ValueError:
        is_wrong = True
    if url and is_wrong:
        raise SettingsInvalid(f"{name} must be a URL that begins with {' or '.join(schemes)}://")


def _credentials(given: argparse.Namespace, url: str, token: str) -> Credentials:
    try:
        return Credentials(
            worker_id=given.worker_id,
            secret=given.secret,
            token=token,
            trusted=origin(url) if url else "",
        )
    except (CredentialsInvalid, ValueError) as error:
        raise SettingsInvalid(f"--secret, WORKER_SECRET or INTERNAL_API_TOKEN: {error}") from error
