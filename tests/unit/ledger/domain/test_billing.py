"""The billing matrix says what the code does: each row is walked to its end (G4, G5)."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ledger.domain import attempt, cancel, refund
from ledger.domain.attempt import EndLease, ExpireJob
from ledger.domain.billing import ANY_OTHER, BILLING, BillingRule
from ledger.domain.cancel import CancelTraining
from ledger.domain.change import Change
from ledger.domain.job import TERMINAL, HoldStatus, JobStatus
from ledger.domain.refund import RefundGeneration
from tests.unit.ledger.domain.stories import (
    ARTIST,
    GENERATION,
    LATER,
    PICTURE_STREAM,
    STYLE,
    TASK,
    TERMS,
    TRAINING,
    TRAINING_STREAM,
    after_picture,
    after_training,
    cancel_picture,
    complete_picture,
    completed_picture,
    completed_training,
    fail_picture,
    fail_training,
    queued_picture,
    queued_training,
    running_picture,
    running_training,
)

MOMENT = timedelta(seconds=1)


def last_attempt(state: Any) -> Any:
    return replace(state, job=replace(state.job, attempt=4))


def lost(state: Any, stream: str) -> list[Change]:
    command = EndLease(stream=stream, style_id=STYLE, task_id=TASK)
    return attempt.end_lease(command, now=LATER, terms=TERMS, state=last_attempt(state))


def expired(state: Any, stream: str, *, code: str | None) -> list[Change]:
    is_unstarted = code == attempt.NOT_STARTED
    over_at = state.job.start_by_at if is_unstarted else state.job.deadline_at
    command = ExpireJob(stream=stream, style_id=STYLE)
    return attempt.expire_job(command, now=over_at + MOMENT, state=state)


def picture_ends(rule: BillingRule) -> Any:
    """Return the job of a picture that came to the end which the rule is about."""
    running = running_picture()
    if rule.hold is HoldStatus.REFUNDED:
        done = completed_picture()
        command = RefundGeneration(generation_id=GENERATION, reason="broken_image")
        return after_picture(
            done, refund.refund_generation(command, now=LATER, terms=TERMS, generation=done)
        )
    ends: dict[JobStatus, Any] = {
        JobStatus.COMPLETED: lambda: (running, complete_picture(running)),
        JobStatus.FAILED: lambda: (
            running,
            lost(running, PICTURE_STREAM)
            if rule.code == attempt.LEASE_EXPIRED
            else fail_picture(running, code=rule.code),
        ),
        JobStatus.EXPIRED: lambda: (
            queued_picture(),
            expired(queued_picture(), PICTURE_STREAM, code=rule.code),
        ),
        JobStatus.CANCELED: lambda: (queued_picture(), cancel_picture(queued_picture())),
    }
    return after_picture(*ends[rule.outcome]())


def training_ends(rule: BillingRule) -> Any:
    """Return the job of a training that came to the end which the rule is about."""
    running, waiting = running_training(), queued_training()
    cancels = CancelTraining(training_id=TRAINING, style_id=STYLE, user_id=ARTIST)
    if rule.outcome is JobStatus.COMPLETED:
        return completed_training()[1]
    ends: dict[JobStatus, Any] = {
        JobStatus.FAILED: lambda: (
            running,
            lost(running, TRAINING_STREAM)
            if rule.code == attempt.LEASE_EXPIRED
            else fail_training(running, code=rule.code),
        ),
        JobStatus.EXPIRED: lambda: (
            waiting,
            expired(waiting, TRAINING_STREAM, code=rule.code),
        ),
        JobStatus.CANCELED: lambda: (
            waiting,
            cancel.cancel_training(cancels, now=LATER, training=waiting),
        ),
    }
    return after_training(*ends[rule.outcome]())


@pytest.mark.parametrize("rule", BILLING, ids=lambda r: f"{r.kind}-{r.outcome}-{r.code}-{r.hold}")
def test_a_job_that_ends_so_is_billed_so(rule: BillingRule) -> None:
    end = picture_ends(rule) if rule.kind == "generation" else training_ends(rule)
    assert (end.job.status, end.job.hold) == (rule.outcome, rule.hold)
    assert rule.is_charged == (end.job.hold is HoldStatus.CAPTURED)
    if rule.outcome in (JobStatus.FAILED, JobStatus.EXPIRED):
        assert end.job.failure_code == rule.code


def test_every_end_of_every_kind_is_in_the_matrix() -> None:
    for kind in ("generation", "training"):
        assert {rule.outcome for rule in BILLING if rule.kind == kind} == TERMINAL
        assert any(rule.code == ANY_OTHER for rule in BILLING if rule.kind == kind)
    assert len(set(BILLING)) == len(BILLING)
