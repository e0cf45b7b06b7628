"""The fence and the answers that trainings and generations share."""

from dataclasses import replace

import pytest

from ledger.domain import job as jobs
from ledger.domain.change import Disposition
from ledger.domain.errors import ForeignTask, ParameterOutOfRange, UnknownTask
from ledger.domain.events import (
    AttemptFailed,
    AttemptQueued,
    CancelRequested,
    Event,
    GenerationCanceled,
    GenerationExpired,
    GenerationStarted,
    RetryScheduled,
    TrainingExpired,
)
from ledger.domain.job import Attempt, HoldStatus, Job, JobStatus, Report
from tests.unit.ledger.domain.stories import (
    CLAIM,
    LATER,
    NOW,
    OTHER_CLAIM,
    OTHER_TASK,
    OTHER_WORKER,
    STYLE,
    TASK,
    TEXT,
    USER,
    UUID,
    WORKER,
    running_picture,
)

EARLIER_TASK = UUID(int=0xC0)
QUEUED = Job(
    user_id=USER,
    task_id=TASK,
    requested_at=NOW,
    start_by_at=NOW,
    deadline_at=NOW,
    attempt=2,
    past=(Attempt(task_id=EARLIER_TASK, claim=None, worker_id=None),),
)
RUNNING = replace(
    QUEUED, status=JobStatus.PROCESSING, claim=CLAIM, worker_id=WORKER, sequence=5, percent=29
)
CLOSED = replace(RUNNING, status=JobStatus.COMPLETED)


def report(
    task_id: UUID = TASK,
    claim: UUID = CLAIM,
    worker_id: UUID | None = WORKER,
    sequence: int = 6,
) -> Report:
    return Report(task_id=task_id, claim=claim, worker_id=worker_id, sequence=sequence)


def ending(kind: type[Event], **given: object) -> Event:
    common = {"user_id": USER, "style_id": STYLE, "attempt": 1, "task_id": TASK}
    return kind(**{**common, **given})


def test_the_first_claim_may_start_an_attempt() -> None:
    assert jobs.start_refusal(job=QUEUED, report=report()) is None


def test_the_same_claim_starts_once_and_another_must_not_run() -> None:
    """G9: of two workers with one task, one result counts."""
    assert jobs.start_refusal(job=RUNNING, report=report()) is Disposition.DUPLICATE
    other = report(claim=OTHER_CLAIM, worker_id=OTHER_WORKER)
    assert jobs.start_refusal(job=RUNNING, report=other) is Disposition.STALE


def test_an_old_attempt_or_a_closed_job_is_not_started() -> None:
    old = report(task_id=EARLIER_TASK)
    assert jobs.start_refusal(job=QUEUED, report=old) is Disposition.STALE
    assert jobs.start_refusal(job=CLOSED, report=report()) is Disposition.JOB_CLOSED


def test_the_bound_claim_may_change_the_job() -> None:
    assert jobs.refusal(job=RUNNING, report=report()) is None


def test_another_claim_or_no_start_at_all_changes_nothing() -> None:
    other = report(claim=OTHER_CLAIM)
    assert jobs.refusal(job=RUNNING, report=other) is Disposition.STALE
    assert jobs.refusal(job=QUEUED, report=report()) is Disposition.STALE


def test_a_task_that_the_job_never_had_is_unknown() -> None:
    with pytest.raises(UnknownTask):
        jobs.refusal(job=RUNNING, report=report(task_id=OTHER_TASK))
    with pytest.raises(UnknownTask):
        jobs.start_refusal(job=RUNNING, report=report(task_id=OTHER_TASK))


def test_another_workers_task_is_refused_even_with_the_right_claim() -> None:
    """G13."""
    for job in (RUNNING, CLOSED):
        with pytest.raises(ForeignTask):
            jobs.refusal(job=job, report=report(worker_id=OTHER_WORKER))


def test_under_the_shared_token_the_claim_alone_is_the_fence() -> None:
    assert jobs.refusal(job=RUNNING, report=report(worker_id=None)) is None
    shared = replace(RUNNING, worker_id=None)
    assert jobs.refusal(job=shared, report=report()) is None


def test_an_old_attempts_own_worker_is_told_that_it_is_late() -> None:
    old = report(task_id=EARLIER_TASK, worker_id=OTHER_WORKER, claim=OTHER_CLAIM)
    assert jobs.refusal(job=RUNNING, report=old) is Disposition.STALE
    late = jobs.refusal(job=RUNNING, report=old, is_completion=True)
    assert late is Disposition.LATE_IGNORED


def test_a_closed_job_ignores_completions_and_says_so_to_the_rest() -> None:
    assert jobs.refusal(job=CLOSED, report=report()) is Disposition.JOB_CLOSED
    late = jobs.refusal(job=CLOSED, report=report(), is_completion=True)
    assert late is Disposition.LATE_IGNORED


@pytest.mark.parametrize("sequence", [4, 5])
def test_progress_that_is_not_newer_is_stale(sequence: int) -> None:
    old = report(sequence=sequence)
    assert jobs.progress_refusal(job=RUNNING, report=old) is Disposition.STALE


def test_newer_progress_of_the_bound_claim_is_heeded() -> None:
    assert jobs.progress_refusal(job=RUNNING, report=report()) is None
    other = report(claim=OTHER_CLAIM)
    assert jobs.progress_refusal(job=RUNNING, report=other) is Disposition.STALE


@pytest.mark.parametrize(("percent", "is_new"), [(0, False), (29, False), (30, True), (100, True)])
def test_only_a_new_tenth_deserves_an_event(percent: int, is_new: bool) -> None:
    assert jobs.is_new_tenth(job=RUNNING, percent=percent) is is_new


@pytest.mark.parametrize("percent", [-1, 101])
def test_progress_is_between_nothing_and_all(percent: int) -> None:
    with pytest.raises(ParameterOutOfRange):
        jobs.is_new_tenth(job=RUNNING, percent=percent)


def test_an_attempt_that_is_queued_again_is_unbound_and_has_a_new_task() -> None:
    failed = AttemptFailed(
        user_id=USER, attempt=1, task_id=TASK, claim=CLAIM, worker_id=WORKER, code="oom",
        message=TEXT,
    )  # fmt: skip
    due = RetryScheduled(user_id=USER, attempt=2, due_at=LATER)
    queued = AttemptQueued(
        user_id=USER, attempt=2, task_id=OTHER_TASK, start_by_at=LATER,
        checkpoint_key=None, checkpoint_sha256=None,
    )  # fmt: skip
    retrying = jobs.evolve(jobs.evolve(running_picture().job, failed, NOW), due, NOW)
    assert (retrying.status, retrying.failure_code) == (JobStatus.RETRYING, "oom")
    assert retrying.failure_message == TEXT
    again = jobs.evolve(retrying, queued, NOW)
    assert (again.status, again.attempt, again.task_id) == (JobStatus.QUEUED, 2, OTHER_TASK)
    assert (again.claim, again.worker_id) == (None, None)
    assert again.past == (Attempt(task_id=TASK, claim=CLAIM, worker_id=WORKER),)
    assert again.start_by_at == LATER
    assert not again.is_terminal


@pytest.mark.parametrize("kind", [GenerationExpired, TrainingExpired])
def test_an_expired_job_says_which_deadline_passed(kind: type[Event]) -> None:
    job = jobs.evolve(RUNNING, ending(kind, code="start_deadline"), LATER)
    assert (job.status, job.failure_code) == (JobStatus.EXPIRED, "start_deadline")
    assert (job.is_terminal, job.ended_at) == (True, LATER)


def test_a_job_is_canceled_on_request() -> None:
    request = CancelRequested(user_id=USER, attempt=1, task_id=TASK, reason="user")
    asked = jobs.evolve(RUNNING, request, NOW)
    assert (asked.is_cancel_requested, asked.is_terminal) == (True, False)
    event = ending(GenerationCanceled, reason="user", is_confirmed_by_worker=True)
    assert jobs.evolve(asked, event, LATER).status is JobStatus.CANCELED


def test_the_start_of_a_later_attempt_keeps_the_time_of_the_first() -> None:
    job = running_picture().job
    assert (job.started_at, job.hold) == (NOW, HoldStatus.OPEN)
    event = GenerationStarted(
        user_id=USER, attempt=2, task_id=OTHER_TASK, claim=OTHER_CLAIM, worker_id=None,
        sequence=1, leased_until_at=LATER, deadline_at=job.deadline_at,
    )  # fmt: skip
    again = jobs.evolve(replace(job, failure_code="oom", percent=40), event, LATER)
    assert (again.started_at, again.claim, again.percent) == (NOW, OTHER_CLAIM, 0)
    assert (again.failure_code, again.ended_at) == (None, None)


def test_every_attempt_is_known_by_its_task_and_counted_from_one() -> None:
    assert [one.task_id for one in RUNNING.attempts] == [EARLIER_TASK, TASK]
    newest = Attempt(task_id=TASK, claim=CLAIM, worker_id=WORKER)
    assert RUNNING.attempt_of(TASK) == newest
    assert RUNNING.attempt_of(EARLIER_TASK) == QUEUED.past[0]
    assert RUNNING.attempt_of(OTHER_TASK) is None
    assert [RUNNING.attempt_number(task) for task in (EARLIER_TASK, TASK)] == [1, 2]
    with pytest.raises(ValueError, match="not in"):
        RUNNING.attempt_number(OTHER_TASK)


def test_a_past_attempt_stays_its_own_workers() -> None:
    """G13: also after the job went on with another one."""
    past = (Attempt(task_id=EARLIER_TASK, claim=OTHER_CLAIM, worker_id=OTHER_WORKER),)
    job = replace(RUNNING, past=past)
    for is_completion in (False, True):
        with pytest.raises(ForeignTask):
            jobs.refusal(job=job, report=report(EARLIER_TASK), is_completion=is_completion)
    own = report(EARLIER_TASK, claim=OTHER_CLAIM, worker_id=OTHER_WORKER)
    assert jobs.refusal(job=job, report=own) is Disposition.STALE


def test_between_attempts_no_report_is_heeded() -> None:
    """G9."""
    waiting = replace(RUNNING, status=JobStatus.RETRYING)
    assert not waiting.is_open_to_workers
    assert jobs.start_refusal(job=waiting, report=report()) is Disposition.STALE
    assert jobs.refusal(job=waiting, report=report()) is Disposition.STALE
