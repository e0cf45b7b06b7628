"""What a worker may say: everything else is refused before it reaches anything (section 9)."""

from typing import Any
from uuid import uuid4

import pytest

from ledger.reports import MAX_MESSAGE_CHARACTERS, Malformed, Report, parse

RESULT = {"sha256": "ab" * 32, "bytes": 5, "content_type": "image/png"}


def body(data: Any = None, **given: Any) -> dict[str, Any]:
    named = {"task_id": str(uuid4()), "claim": str(uuid4()), "sequence": 1}
    return named | {"occurred_at": "2026-11-23T12:00:00Z", "data": data or {}} | given


def said(action: str, data: Any = None, *, kind: str = "generation") -> dict[str, Any]:
    return parse(kind=kind, action=action, body=body(data)).fields


def refused(sent: Any, *, kind: str = "generation", action: str = "started") -> object:
    with pytest.raises(Malformed) as refusal:
        parse(kind=kind, action=action, body=sent)
    return refusal.value.details["field"]


def test_a_start_says_who_and_nothing_else() -> None:
    sent = body({"worker": "kit/1"})

    report = parse(kind="generation", action="started", body=sent)

    assert (str(report.task_id), str(report.claim)) == (sent["task_id"], sent["claim"])
    assert report.fields == {}
    assert report.name == f"{sent['task_id']}:{sent['claim']}:generation.started:1"


def test_data_may_be_left_out() -> None:
    sent = body()
    del sent["data"]

    assert parse(kind="generation", action="started", body=sent).fields == {}


def test_two_bodies_have_two_fingerprints_and_the_order_of_names_is_none() -> None:
    def fingerprint(sent: dict[str, Any]) -> str:
        report: Report = parse(kind="generation", action="started", body=sent)
        return report.fingerprint

    sent = body({"worker": "a"})

    assert fingerprint(sent) == fingerprint(dict(reversed(sent.items())))
    assert fingerprint(sent) != fingerprint(sent | {"data": {"worker": "b"}})


def test_epochs_belong_to_trainings() -> None:
    data = {"percent": 50, "current_epoch": 5}

    assert said("progress", data) == {"percent": 50}
    assert said("progress", data, kind="training") == {
        "percent": 50,
        "epoch": 5,
        "total_epochs": None,
    }


def test_a_result_is_announced_by_its_checksum_and_size() -> None:
    assert said("complete", RESULT | {"key": "results/mine", "url": "http://evil"}) == RESULT


def test_metrics_are_numbers_as_text_by_name() -> None:
    metrics = {"loss": 0.125, "epochs": 200, "tiny": 1e-9}

    assert said("complete", RESULT | {"metrics": metrics}, kind="training")["metrics"] == (
        ("epochs", "200"),
        ("loss", "0.125"),
        ("tiny", "1e-09"),
    )
    assert said("complete", RESULT | {"metrics": None}, kind="training")["metrics"] == ()


def test_a_failure_has_a_code_and_a_printable_message() -> None:
    data = {"code": "moderation", "message": "No\x00t\n this 여우", "retryable": True}

    assert said("failed", data) == {
        "code": "moderation",
        "message": "Not this 여우",
        "is_retryable": True,
    }


def test_a_long_message_is_cut() -> None:
    message = said("failed", {"code": "x", "message": "m" * 10_000})["message"]

    assert len(message) == MAX_MESSAGE_CHARACTERS


@pytest.mark.parametrize("message", ["", None, "\n"])
def test_a_failure_may_say_nothing(message: str | None) -> None:
    assert said("failed", {"code": "x", "message": message})["message"] is None


def test_a_completion_without_success_is_a_failure() -> None:
    """The seed guide's form."""
    report = parse(
        kind="training", action="complete", body=body({"success": False, "error": "no memory"})
    )

    assert report.action == "failed"
    assert report.fields == {
        "code": "worker_failed",
        "message": "no memory",
        "is_retryable": False,
    }


def test_a_completion_without_success_may_tell_its_own_code() -> None:
    assert said("complete", {"success": False, "code": "moderation"})["code"] == "moderation"


MALFORMED: list[tuple[str, str, Any, str]] = [
    ("generation", "progress", {}, "percent"),
    ("generation", "progress", {"percent": "50"}, "percent"),
    ("generation", "progress", {"percent": 50.0}, "percent"),
    ("generation", "progress", {"percent": True}, "percent"),
    ("generation", "progress", {"percent": 101}, "percent"),
    ("generation", "progress", {"percent": -1}, "percent"),
    ("training", "progress", {"percent": 1, "current_epoch": "5"}, "current_epoch"),
    ("training", "progress", {"percent": 1, "total_epochs": -1}, "total_epochs"),
    ("generation", "failed", {}, "code"),
    ("generation", "failed", {"code": 7}, "code"),
    ("generation", "failed", {"code": "Not a code"}, "code"),
    ("generation", "failed", {"code": "x", "message": 7}, "message"),
    ("generation", "failed", {"code": "x", "retryable": "no"}, "retryable"),
    ("generation", "complete", {"success": "no"}, "success"),
    ("generation", "complete", RESULT | {"sha256": "AB" * 32}, "sha256"),
    ("generation", "complete", RESULT | {"sha256": None}, "sha256"),
    ("generation", "complete", RESULT | {"bytes": 2**41}, "bytes"),
    ("generation", "complete", RESULT | {"content_type": "image/gif"}, "content_type"),
    ("training", "complete", RESULT | {"metrics": [1]}, "metrics"),
    ("training", "complete", RESULT | {"metrics": {"loss": "0.5"}}, "metrics"),
    ("training", "complete", RESULT | {"metrics": {"loss": True}}, "metrics"),
    ("training", "complete", RESULT | {"metrics": {"loss": 10**400}}, "metrics"),
    ("training", "complete", RESULT | {"metrics": {"loss": float("nan")}}, "metrics"),
    ("training", "complete", RESULT | {"metrics": {"A fox": 1}}, "metrics"),
    (
        "training",
        "complete",
        RESULT | {"metrics": {f"m{number}": 1 for number in range(51)}},
        "metrics",
    ),
]


@pytest.mark.parametrize(("kind", "action", "data", "field"), MALFORMED)
def test_data_of_another_form_is_refused(kind: str, action: str, data: Any, field: str) -> None:
    assert refused(body(data), kind=kind, action=action) == field


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"task_id": None}, "task_id"),
        ({"task_id": "x" * 36}, "task_id"),
        ({"task_id": 7}, "task_id"),
        ({"claim": uuid4().hex}, "claim"),
        ({"sequence": -1}, "sequence"),
        ({"sequence": 2**53}, "sequence"),
        ({"data": [1]}, "data"),
    ],
)
def test_an_envelope_of_another_form_is_refused(given: dict[str, Any], field: str) -> None:
    assert refused(body() | given) == field


@pytest.mark.parametrize("sent", [None, 7, "text", [], {}])
def test_a_body_that_is_no_callback_is_refused(sent: Any) -> None:
    refused(sent)


def test_a_bottomless_body_is_refused() -> None:
    nested: Any = 0
    for _ in range(100_000):
        nested = [nested]

    assert refused(body({"worker": nested})) == "data"
