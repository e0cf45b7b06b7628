"""Log lines of the worker: one JSON object each on stderr; facts, never prompts."""

import json
import logging
import sys
from datetime import UTC, datetime

FACTS = "facts"


class JsonLines(logging.Formatter):
    """Writes event, level, time and the facts of a record."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line of JSON."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"timestamp": at, "level": record.levelname.lower(), "event": record.getMessage()}
        return json.dumps(line | getattr(record, FACTS, {}), default=str)


def configure_logs(level: str) -> None:
    """Send the worker's log lines to stderr; other libraries' from warning on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("consumers").setLevel(level)
