"""The model's rules of workers and timers: attempts, their reports and their ends (section 8)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from tests.oracle.job_rules import RUN_SECONDS, capture, release
from tests.oracle.world import Attempt, Job, World, refuse

LEASE_SECONDS = {"generation": 60, "training": 120}
PAUSES = {"generation": (5, 30, 120), "training": (60, 300, 900)}
JITTER = 0.25  # the contract says "+ jitter": a quarter at most
LATE_HOURS = 24


def _reported(world: World, report: Any) -> Job:
    """Return the job of a worker's report."""
    job_id = getattr(report, "generation_id", None) or getattr(report, "training_id", None)
    job = world.jobs.get(job_id or UUID(report.stream[-36:]))
    if job is None or job.kind not in report.stream:
        refuse("task_not_found")
    if job.kind == "training" and getattr(report, "style_id", job.style) != job.style:
        refuse("task_not_found")
    return job


def _closed(job: Job, task: UUID) -> str | None:
    """Return the answer for a task that is not the newest of an open job."""
    if all(one.task != task for one in job.attempts):
        refuse("task_not_found")
    if job.status in ("queued", "processing") and task == job.newest.task:
        return None
    return "job_closed" if job.is_ended else "stale"


def _unfenced(job: Job, report: Any) -> str | None:
    """Return why a report of a running attempt does not count; None where it does."""
    bound = next((one for one in job.attempts if one.task == report.task_id), None)
    if bound and bound.worker and report.worker_id and bound.worker != report.worker_id:
        refuse("foreign_task")
    closed = _closed(job, report.task_id)
    if closed:
        return closed
    return None if report.claim == job.newest.claim else "stale"


def start(world: World, report: Any) -> str:
    """The first accepted start binds the claim."""
    job = _reported(world, report)
    closed = _closed(job, report.task_id)
    if closed:
        return closed
    if job.newest.claim is not None:
        return "duplicate" if job.newest.claim == report.claim else "stale"
    job.newest.claim, job.newest.worker = report.claim, report.worker_id
    job.status, job.sequence, job.tenth = "processing", report.sequence, 0
    job.leased_until = world.after(seconds=LEASE_SECONDS[job.kind])
    if job.kind == "generation" and not job.was_started:
        job.deadline = world.after(seconds=RUN_SECONDS)
    job.was_started = True
    return "applied"


def progress(world: World, report: Any) -> str:
    """Each new tenth of the way is noted, with its sequence."""
    job = _reported(world, report)
    refused = _unfenced(job, report)
    if refused:
        return refused
    if report.sequence <= job.sequence:
        return "stale"
    if report.percent // 10 > job.tenth:
        job.tenth, job.sequence = report.percent // 10, report.sequence
    return "applied"


def complete(world: World, report: Any) -> str:
    """The stored result is paid for, once (G5, G6)."""
    job = _reported(world, report)
    refused = _unfenced(job, report)
    if refused is None:
        job.status, job.result = "completed", report.sha256
        capture(world, job)
        if job.kind == "training":
            world.styles[job.style].is_locked = False
            world.styles[job.style].is_trained = True
        return "applied"
    fence = (job.newest.task, job.newest.claim)
    if job.result == report.sha256 and (report.task_id, report.claim) == fence:
        return "duplicate"
    return refused if _closed(job, report.task_id) is None else "late_ignored"


def fail(world: World, report: Any) -> str:
    """Tried again, or the hold goes back."""
    job = _reported(world, report)
    refused = _unfenced(job, report)
    if refused:
        return refused
    _attempt_failed(world, job, is_retryable=report.is_retryable)
    return "applied"


def _attempt_failed(world: World, job: Job, *, is_retryable: bool) -> None:
    if job.is_cancel_asked:
        return release(world, job, "canceled")
    again = _due(world, job) if is_retryable else None
    if again is None:
        return release(world, job, "failed")
    job.status, job.retry_at = "retrying", again
    return None


def _due(world: World, job: Job) -> datetime | None:
    """At most 4 attempts, and none after the deadline."""
    pauses = PAUSES[job.kind]
    if len(job.attempts) > len(pauses):
        return None
    drawn = world.jitter(job.newest.task)
    assert 0 <= drawn < 1
    due = world.after(seconds=pauses[len(job.attempts) - 1] * (1 + JITTER * drawn))
    return due if due < job.deadline else None


def end_lease(world: World, command: Any) -> None:
    """The worker was not heard of."""
    job = world.jobs.get(UUID(command.stream[-36:]))
    if job is None or job.status != "processing" or job.newest.task != command.task_id:
        return
    if job.leased_until is not None and world.now > job.leased_until:
        _attempt_failed(world, job, is_retryable=True)


def queue_attempt(world: World, command: Any) -> None:
    """The pause is over: a new task id."""
    job = world.jobs.get(UUID(command.stream[-36:]))
    if job is None or job.status != "retrying" or job.retry_at is None:
        return
    if job.retry_at <= world.now < job.deadline:
        job.status = "queued"
        job.attempts.append(Attempt(command.task_id))


def expire_job(world: World, command: Any) -> None:
    """A deadline is over."""
    job = world.jobs.get(UUID(command.stream[-36:]))
    if job is None or job.is_ended:
        return
    is_unstarted = job.status == "queued" and not job.was_started and world.now > job.start_by
    if world.now > job.deadline or is_unstarted:
        release(world, job, "canceled" if job.is_cancel_asked else "expired")


def receive_late(world: World, report: Any) -> str:
    """A late result is kept apart, the first of each attempt, from its own claim (G9)."""
    job = _reported(world, report)
    refused = _unfenced(job, report)
    if _closed(job, report.task_id) is None:
        return refused or "stale"
    bound = next(one for one in job.attempts if one.task == report.task_id)
    if bound.claim == report.claim and all(task != report.task_id for task, _, _ in job.late):
        job.late.append((report.task_id, report.sha256, world.after(hours=LATE_HOURS)))
    return "late_ignored"
