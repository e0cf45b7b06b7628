"""Logging: one JSON line per record, with the request's id, without personal text.

`configure` is Django's LOGGING_CONFIG; everyone else calls `structlog.get_logger(__name__)`.
"""

import logging
import sys
import traceback
from typing import Any

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

HIDDEN = "[hidden]"
# What a person wrote, or what opens a door, never reaches a log, whoever passes it.
PERSONAL_FIELDS = frozenset(
    {
        "api_key",
        "artist_name",
        "authorization",
        "body",
        "caption",
        "comment",
        "cookie",
        "data",
        "description",
        "email",
        "idempotency_key",
        "memo",
        "name",
        "password",
        "prompt",
        "query",
        "secret",
        "text",
        "token",
        "url",
        "username",
        "verified_email",
    }
)
_FRAMES = 20


def request_id() -> str | None:
    """Return the id of the request being answered, or None outside one."""
    bound = structlog.contextvars.get_contextvars().get("request_id")
    return bound if isinstance(bound, str) else None


def hide_personal_text(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Replace the value of every field that may hold personal text or a secret."""
    for field in PERSONAL_FIELDS & event.keys():
        event[field] = HIDDEN
    return event


def describe_exception(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Replace `exc_info` by types and places: a message may quote a row or a request."""
    exc_info = event.pop("exc_info", None)
    if isinstance(exc_info, BaseException):
        event["exception"] = described(exc_info)
    elif isinstance(exc_info, tuple) and exc_info[1] is not None:
        event["exception"] = described(exc_info[1])
    elif exc_info and (current := sys.exc_info()[1]) is not None:
        event["exception"] = described(current)
    return event


def described(error: BaseException) -> list[dict[str, Any]]:
    """Return the chain of `error`, outermost first: type, SQLSTATE if any, innermost frames."""
    chain: list[dict[str, Any]] = []
    link: BaseException | None = error
    while link is not None and len(chain) < 5:
        frames = traceback.extract_tb(link.__traceback__)[-_FRAMES:]
        described_link: dict[str, Any] = {
            "type": f"{type(link).__module__}.{type(link).__qualname__}",
            "frames": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
        }
        if (sqlstate := getattr(link, "pgcode", None)) is not None:
            described_link["sqlstate"] = sqlstate
        chain.append(described_link)
        link = link.__cause__ or link.__context__
    return chain


def _dumps(event: EventDict, **_: Any) -> str:
    return orjson.dumps(event, default=str).decode()


def configure(logging_settings: dict[str, Any]) -> None:
    """Send all logging, ours and the libraries', to standard error as JSON lines."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        hide_personal_text,
        describe_exception,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(serializer=_dumps),
            ],
        )
    )
    root = logging.getLogger()
    for old in [one for one in root.handlers if getattr(one, "is_ours", False)]:
        root.removeHandler(old)
    handler.is_ours = True  # type: ignore[attr-defined] # our own mark, to configure twice safely
    root.addHandler(handler)
    root.setLevel(logging_settings["level"])
    # Django's own request lines hold whole paths (file tokens too); api.middleware logs routes.
    logging.getLogger("django.request").setLevel(logging.CRITICAL)
    logging.getLogger("uvicorn.access").setLevel(logging.CRITICAL)
