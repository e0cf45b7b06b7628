"""`python -m consumers.worker check` against the real server, and against one that does wrong."""

import subprocess
import sys
from collections.abc import Callable

import pytest

from consumers.worker.check import Case, check
from consumers.worker.command import run
from consumers.worker.probe import Heard
from core.models import Role
from core.workers import create_worker
from tests.acceptance.test_main_job import account, drafted_style, publish, web_url
from tests.integration.consumers.worker_server import (
    SECRET,
    WORKER_ID,
    Reply,
    WorkerServer,
    refused,
)

__all__ = ["publish", "web_url"]
CASES = 12
WITH_TASK = 13


def arguments(url: str, worker_id: object, secret: str, *more: str) -> list[str]:
    return ["--url", url, "--worker-id", str(worker_id), "--secret", secret, *more]


def lines_of(capsys: pytest.CaptureFixture[str]) -> tuple[list[str], str]:
    """Return the verdicts and the sum."""
    printed = capsys.readouterr().out.splitlines()
    *verdicts, total = [line for line in printed if not line.startswith("{")]  # the server's log
    return verdicts, total


def failed(verdicts: list[str]) -> list[str]:
    assert all(line.startswith(("pass  ", "FAIL  ")) for line in verdicts)
    return [line.removeprefix("FAIL  ") for line in verdicts if line.startswith("FAIL")]


def test_the_server_passes_without_a_job(web_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    worker, secret = create_worker("checker")
    assert check(arguments(web_url, worker.id, secret)) == 0
    verdicts, total = lines_of(capsys)
    assert (len(verdicts), failed(verdicts)) == (CASES, [])
    assert verdicts[0] == "pass  a signed callback is let in: 404 task_not_found"
    assert total == f"{CASES} passed, 0 failed"


def test_a_worker_for_trainings_alone_can_check_as_well(
    web_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    worker, secret = create_worker("trainer", job_types=["model_training"])
    assert check(arguments(web_url, worker.id, secret)) == 0, capsys.readouterr().out


def test_the_server_passes_with_a_job(
    web_url: str, publish: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    artist = account("ada", Role.ARTIST)
    style = drafted_style(artist)
    path = f"/api/styles/{style}/train/"
    assert artist("POST", path, {}, headers={"Idempotency-Key": "t"}).status_code == 200
    publish()
    worker, secret = create_worker("checker")
    assert check(arguments(web_url, worker.id, secret, "--with-task")) == 0, lines_of(capsys)
    verdicts, _ = lines_of(capsys)
    assert (len(verdicts), failed(verdicts)) == (CASES + WITH_TASK, [])


def test_a_wrong_secret_fails(web_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    worker, _ = create_worker("checker")
    assert check(arguments(web_url, worker.id, SECRET)) == 1
    verdicts, total = lines_of(capsys)
    missed = "a signed callback is let in: 401 worker_not_proven, expected 404 task_not_found"
    assert missed in failed(verdicts)
    assert total.endswith(f"{len(failed(verdicts))} failed")


def test_a_server_that_believes_everybody_fails(capsys: pytest.CaptureFixture[str]) -> None:
    """This one knows neither fences nor malformed bodies."""
    with WorkerServer() as server:
        server.generation()
        server.script["tasks"].extend([refused(422)] * 2)
        assert check(arguments(server.url, WORKER_ID, SECRET, "--with-task")) == 1
    wrong = " ".join(failed(lines_of(capsys)[0]))
    assert "a second claim is stale: 200 applied, expected 200 stale" in wrong
    assert "the upload link" not in wrong


@pytest.mark.parametrize(
    ("reply", "word"),
    [
        (Reply(body=b"<html>"), "200, but no JSON object"),
        (Reply(status=404, body={"detail": "?"}), "404, but not in the form of an error"),
        (Reply(hangs_up=True), "no answer (ConnectionError)"),
        (Reply(body={"task": 7}), "200, expected 200 task"),
    ],
)
def test_what_is_no_answer_is_told(
    capsys: pytest.CaptureFixture[str], reply: Reply, word: str
) -> None:
    with WorkerServer() as server:
        server.script["tasks"].extend([reply] * 3)
        assert check(arguments(server.url, WORKER_ID, SECRET)) == 1
    (poll,) = [one for one in failed(lines_of(capsys)[0]) if "a poll is answered" in one]
    assert word in poll


@pytest.mark.parametrize(
    ("task", "word"), [(None, "none within the wait"), ({"task_id": "x"}, "malformed")]
)
def test_a_task_that_cannot_be_used_is_told(
    capsys: pytest.CaptureFixture[str], task: object, word: str
) -> None:
    with WorkerServer() as server:
        server.script["tasks"].extend([Reply(body={"task": task})] * 3)
        assert check(arguments(server.url, WORKER_ID, SECRET, "--with-task")) == 1
    assert word in failed(lines_of(capsys)[0])[-1]


def test_a_store_that_refuses_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with WorkerServer() as server:
        task = server.generation()
        server.script["tasks"].extend([refused(422)] * 2)
        server.script[task["task_id"]].append(Reply(status=503))
        check(arguments(server.url, WORKER_ID, SECRET, "--with-task"))
    assert "the upload link takes a file: not stored: HTTP 503, expected stored" in failed(
        lines_of(capsys)[0]
    )


@pytest.mark.parametrize(("url", "secret"), [("http://a", ""), ("http://a:99999", SECRET)])
def test_wrong_settings_are_told(url: str, secret: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run({}, ["check", *arguments(url, "w", secret)]) == 2
    assert "--secret" in capsys.readouterr().err


def test_the_help_warns_of_the_job(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        check(["--help"])
    assert "consumes an attempt" in " ".join(capsys.readouterr().out.split())


def test_the_command_is_found() -> None:
    code = subprocess.run(
        [sys.executable, "-m", "consumers.worker", "check", "--help"],
        capture_output=True,
        timeout=30,
        check=False,
    ).returncode
    assert code == 0


def test_a_case_names_what_it_expected() -> None:
    case = Case(name="n", wanted=["401", "403"], heard=Heard(word="200 applied"))
    assert case.line() == "FAIL  n: 200 applied, expected 401 or 403"
