"""Logs say what happened and where, never what a person wrote."""

import io
import json
import logging
from typing import Any

import pytest
import structlog

from core import logs


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Return what is written to standard error by a logging that was set up anew."""
    written = io.StringIO()
    monkeypatch.setattr("sys.stderr", written)
    logs.configure({"level": "INFO"})
    return written


def read(lines: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


@pytest.fixture(autouse=True)
def as_before() -> Any:
    yield
    logs.configure({"level": "INFO"})


def test_a_line_is_json_with_time_level_and_logger(lines: io.StringIO) -> None:
    structlog.get_logger("ledger.x").info("appended", events=2)

    [line] = read(lines)
    assert line.pop("at").endswith("Z")
    assert line == {"event": "appended", "events": 2, "level": "info", "logger": "ledger.x"}


def test_the_libraries_lines_have_the_same_shape(lines: io.StringIO) -> None:
    logging.getLogger("botocore").warning("closed by %s", "peer")

    [line] = read(lines)
    assert (line["event"], line["level"], line["logger"]) == (
        "closed by peer",
        "warning",
        "botocore",
    )


def test_lines_of_a_request_carry_its_id(lines: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        structlog.get_logger("x").info("seen")
        assert logs.request_id() == "r-1"

    assert read(lines)[0]["request_id"] == "r-1"
    assert logs.request_id() is None


def test_personal_text_and_secrets_are_hidden(lines: io.StringIO) -> None:
    structlog.get_logger("x").info("seen", prompt="my dog", email="a@b", api_key="tl_x", amount=5)

    [line] = read(lines)
    assert (line["prompt"], line["email"], line["api_key"]) == (logs.HIDDEN,) * 3
    assert line["amount"] == 5


def test_an_exception_is_told_by_type_and_place_without_its_words(lines: io.StringIO) -> None:
    """A database error quotes the row: Key (email)=(mina@example.org) already exists."""
    try:
        try:
            raise KeyError("mina@example.org")
        except KeyError as inner:
            raise ValueError("prompt: my dog") from inner
    except ValueError:
        structlog.get_logger("x").exception("failed")

    assert "mina" not in lines.getvalue()
    assert "my dog" not in lines.getvalue()
    [outer, inner_link] = read(lines)[0]["exception"]
    assert (outer["type"], inner_link["type"]) == ("builtins.ValueError", "builtins.KeyError")
    assert "test_logs.py" in outer["frames"][-1]


def test_a_librarys_exception_is_told_without_its_words(lines: io.StringIO) -> None:
    try:
        raise ValueError("my dog")
    except ValueError as error:
        logging.getLogger("library").error("failed", exc_info=error)
        structlog.get_logger("x").error("failed", exc_info=error)

    assert "my dog" not in lines.getvalue()
    assert [line["exception"][0]["type"] for line in read(lines)] == ["builtins.ValueError"] * 2


def test_exc_info_without_an_exception_says_nothing(lines: io.StringIO) -> None:
    structlog.get_logger("x").error("failed", exc_info=True)

    assert "exception" not in read(lines)[0]


def test_a_database_error_is_told_by_its_sqlstate() -> None:
    class Refused(Exception):
        pgcode = "23505"

    [link] = logs.described(Refused())

    assert link["sqlstate"] == "23505"


def test_a_chain_of_exceptions_is_cut() -> None:
    error: Exception | None = None
    for _ in range(9):
        following = ValueError()
        following.__cause__ = error
        error = following

    assert error is not None
    assert len(logs.described(error)) == 5


def test_setting_up_twice_writes_each_line_once(
    lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr", lines)
    logs.configure({"level": "INFO"})
    logging.getLogger("x").warning("once")

    assert len(read(lines)) == 1
