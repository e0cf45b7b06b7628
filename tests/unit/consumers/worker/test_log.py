"""Log lines: one JSON object each."""

import json
import logging

from consumers.worker.log import JsonLines


def test_a_line_holds_event_level_time_and_facts() -> None:
    record = logging.makeLogRecord({"msg": "task_started", "levelname": "INFO", "created": 0.5})
    record.facts = {"task_id": "t", "text": "two\nlines"}
    text = JsonLines().format(record)
    assert "\n" not in text
    assert json.loads(text) == {
        "timestamp": "1970-01-01T00:00:00.500+00:00",
        "level": "info",
        "event": "task_started",
        "task_id": "t",
        "text": "two\nlines",
    }


def test_a_line_without_facts_is_complete() -> None:
    assert json.loads(JsonLines().format(logging.makeLogRecord({"msg": "x"})))["event"] == "x"
