"""Late results: kept apart, moving nothing, and paid for only if the payer still wants them."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ledger.domain import generation, late, money
from ledger.domain.change import Change, Decision, Disposition
from ledger.domain.errors import (
    ForeignTask,
    InsufficientTokens,
    LateResultAccepted,
    LateResultGone,
    NoLateResult,
    UnknownGeneration,
    UnknownTask,
)
from ledger.domain.generation import GenerationState
from ledger.domain.job import HoldStatus, JobStatus, Report
from ledger.domain.late import AcceptLateResult
from ledger.domain.money import PAID, PROMO
from tests.unit.ledger.domain.stories import (
    ARTIST,
    GENERATION,
    LATER,
    NOW,
    OTHER_CLAIM,
    OTHER_TASK,
    OTHER_WORKER,
    STRANGER,
    TASK,
    TERMS,
    USER,
    UUID,
    WORKER,
    after_picture,
    cancel_picture,
    completed_picture,
    events,
    failed_picture,
    fold,
    keys,
    moved,
    names,
    queued_picture,
    receive_late,
    requeued_picture,
    retrying_picture,
    running_picture,
)

NEW = UUID(int=0xB8)
NEW_STREAM = f"generation-{NEW}"
NEW_TASK = UUID(int=0xC8)
IGNORED = Decision(disposition=Disposition.LATE_IGNORED)
KEPT_UNTIL = LATER + timedelta(hours=24)
OLD_PROMO, SOON = "promo@2027-01-30", "promo@2027-02-28"


def with_late_result(state: GenerationState | None = None, **given: Any) -> GenerationState:
    state = state or failed_picture()
    return after_picture(state, receive_late(state, **given))


def accept(old: GenerationState | None, **given: Any) -> list[Change]:
    defaults: dict[str, Any] = {
        "now": LATER, "terms": TERMS, "generation": None, "available": {PAID: 150}
    }  # fmt: skip
    passed = {name: given.pop(name, value) for name, value in defaults.items()}
    command = {
        "generation_id": NEW, "late_of": GENERATION, "user_id": USER, "task_id": NEW_TASK,
        "key": "results/8", "sha256": "d" * 64,
    }  # fmt: skip
    return late.accept_late_result(AcceptLateResult(**{**command, **given}), old=old, **passed)


@pytest.mark.parametrize(
    "state", [failed_picture(), retrying_picture(), requeued_picture(), completed_picture()]
)
def test_a_late_result_is_kept_apart_and_leaves_job_and_tokens_alone(
    state: GenerationState,
) -> None:
    """G9."""
    decision = receive_late(state)
    assert decision.disposition is Disposition.LATE_IGNORED
    assert names(decision) == ["LateResultReceived"]
    assert moved(decision) == {}
    (event,) = events(decision)
    assert (event.attempt, event.task_id, event.key) == (1, TASK, "late/1")
    assert event.kept_until_at == KEPT_UNTIL
    kept = after_picture(state, decision)
    assert kept == replace(state, job=replace(state.job, late=(event,)))


def test_an_attempt_has_one_late_result() -> None:
    """G7: the same again, or another, is not kept."""
    state = with_late_result()
    assert receive_late(state) == IGNORED
    assert receive_late(state, sha256="e" * 64) == IGNORED


def test_a_claim_that_never_bound_the_attempt_leaves_no_result() -> None:
    """G9: neither does one of an attempt that nobody started."""
    assert receive_late(failed_picture(), claim=OTHER_CLAIM) == IGNORED
    canceled = after_picture(queued_picture(), cancel_picture(queued_picture()))
    assert receive_late(canceled) == IGNORED


def test_a_result_of_the_running_attempt_is_not_late() -> None:
    stale = Decision(disposition=Disposition.STALE)
    assert receive_late(running_picture()) == stale
    assert receive_late(running_picture(), claim=OTHER_CLAIM) == stale


def test_another_workers_or_an_unknown_task_is_refused() -> None:
    """G13."""
    for state in (failed_picture(), requeued_picture()):
        with pytest.raises(ForeignTask):
            receive_late(state, worker_id=OTHER_WORKER)
    for unknown in (None, failed_picture()):
        with pytest.raises(UnknownTask):
            receive_late(unknown, task_id=OTHER_TASK)


def test_what_is_worth_keeping_can_be_asked_before_it_is_fetched() -> None:
    report = {"claim": OTHER_CLAIM, "worker_id": WORKER, "sequence": 9}
    job = failed_picture().job
    assert not late.is_worth_keeping(job=job, report=Report(task_id=OTHER_TASK, **report))
    assert not late.is_worth_keeping(job=job, report=Report(task_id=TASK, **report))


def test_an_accepted_late_picture_is_a_new_generation_paid_at_the_old_price() -> None:
    """G4, G5, I3, I7."""
    changes = accept(with_late_result())
    assert names(changes) == [
        "GenerationRequested", "TokensHeld", "GenerationCompleted", "HoldCaptured",
    ]  # fmt: skip
    assert {change.stream for change in changes} == {NEW_STREAM}
    assert keys(changes) == [f"{NEW_STREAM}:hold", f"{NEW_STREAM}:capture"]
    assert moved(changes) == {
        (money.available(USER), PAID): -100,
        (money.pending(ARTIST), PAID): 90,
        (money.REVENUE, PAID): 10,
    }
    requested, _, completed, captured = events(changes)
    assert (requested.late_of, requested.retry_of) == (GENERATION, None)
    assert (completed.key, completed.sha256) == ("results/8", "d" * 64)
    assert (completed.width, completed.height) == (512, 512)
    assert captured.refundable_until_at == LATER + timedelta(days=7)
    state = fold(generation.evolve, changes, NEW_STREAM, None)
    assert (state.job.status, state.job.hold) == (JobStatus.COMPLETED, HoldStatus.CAPTURED)
    assert (state.job.task_id, state.result) == (NEW_TASK, completed)


def test_the_new_split_is_of_the_tokens_that_pay_it_by_the_old_fee() -> None:
    changes = accept(
        with_late_result(), available={SOON: 33, PAID: 67}, terms=replace(TERMS, fee_bps=9_000)
    )
    assert events(changes)[0].split == ((PROMO, 30, 3), (PAID, 61, 6))


def test_expired_tokens_leave_first_and_pay_nothing() -> None:
    changes = accept(with_late_result(), available={OLD_PROMO: 500, PAID: 100})
    assert names(changes)[0] == "TokensExpired"
    assert keys(changes)[0] == f"expiry-{NEW}:expire:{OLD_PROMO}"
    with pytest.raises(InsufficientTokens):
        accept(with_late_result(), available={OLD_PROMO: 500, PAID: 99})


def test_a_late_picture_is_accepted_once() -> None:
    """G7."""
    old = with_late_result()
    new = fold(generation.evolve, accept(old), NEW_STREAM, None)
    with pytest.raises(LateResultAccepted) as refusal:
        accept(old, generation=new)
    assert refusal.value.details == {"generation_id": str(NEW)}


def test_a_late_picture_can_be_accepted_to_the_last_moment_of_a_day() -> None:
    old = with_late_result()
    assert accept(old, now=KEPT_UNTIL)
    with pytest.raises(LateResultGone):
        accept(old, now=KEPT_UNTIL + timedelta(microseconds=1))


def test_of_several_late_pictures_only_the_newest_can_be_accepted() -> None:
    first = with_late_result()
    newest = replace(first.job.late[0], task_id=OTHER_TASK, sha256="f" * 64)
    old = replace(first, job=replace(first.job, late=(*first.job.late, newest)))
    assert late.acceptable(old, user_id=USER, now=NOW) == newest
    with pytest.raises(NoLateResult):
        accept(old, sha256="d" * 64)


def test_nobody_accepts_what_is_not_theirs() -> None:
    """G13."""
    for old in (None, with_late_result()):
        with pytest.raises(UnknownGeneration):
            accept(old, user_id=STRANGER)


@pytest.mark.parametrize(
    "old",
    [
        failed_picture(),
        with_late_result(completed_picture()),
        with_late_result(retrying_picture()),
        after_picture(
            with_late_result(retrying_picture()),
            cancel_picture(with_late_result(retrying_picture())),
        ),
    ],
)
def test_only_a_failed_or_expired_picture_has_a_late_one_to_accept(old: GenerationState) -> None:
    """I12: nothing is paid twice, nothing for a canceled job."""
    with pytest.raises(NoLateResult):
        accept(old)
