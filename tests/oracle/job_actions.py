"""What payers, artists, workers and timers do to jobs in a schedule, by chance."""

from typing import TYPE_CHECKING, Any

from core.ids import successor_job_id, task_id
from ledger.domain.attempt import EndLease, ExpireJob, QueueAttempt
from ledger.domain.cancel import CancelGeneration, CancelTraining
from ledger.domain.generation import (
    CompleteGeneration,
    FailGeneration,
    ProgressGeneration,
    StartGeneration,
)
from ledger.domain.late import AcceptLateResult, ReceiveLateResult
from ledger.domain.style import DeactivateStyle, ReactivateStyle, ReviseStyle
from ledger.domain.training import (
    CompleteTraining,
    FailTraining,
    ProgressTraining,
    StartTraining,
)
from tests.oracle.cast import SHA256
from tests.oracle.money_actions import clear, refund
from tests.oracle.stage import ENDED, OPEN, Asked, Drawn, Stage, result
from tests.oracle.world import Job

if TYPE_CHECKING:
    from collections.abc import Callable

STEADY = 11  # picks below it name somebody, and who reports is who may
REPORTS: dict[str, dict[str, type[Any]]] = {
    "generation": {
        "started": StartGeneration, "progress": ProgressGeneration,
        "complete": CompleteGeneration, "failed": FailGeneration,
    },
    "training": {
        "started": StartTraining, "progress": ProgressTraining,
        "complete": CompleteTraining, "failed": FailTraining,
    },
}  # fmt: skip


def order(stage: Stage, drawn: Drawn) -> Asked:
    """Order a picture, at times of a draft or at yesterday's price."""
    user, style_id = stage.person(drawn.who), stage.cast.styles[drawn.one // 7]
    expected = {6: 99, 7: stage.world.styles[style_id].price}.get(drawn.two)
    command = stage.cast.generation(user, style_id, expected_price=expected)
    return Asked(command, f"user/{user}")


def train(stage: Stage, drawn: Drawn) -> Asked:
    """Order a training."""
    command = stage.cast.training(stage.cast.styles[1 if drawn.one else 0])
    return Asked(command, f"user/{stage.cast.artist}")


def style_changes(stage: Stage, drawn: Drawn) -> Asked:
    """A new price, an image more, no orders for a while."""
    style_id, owner = stage.cast.styles[drawn.two % 2], stage.cast.artist
    named: dict[str, Any] = {"style_id": style_id, "artist_id": owner}
    command: Any = ReactivateStyle(**named)
    if drawn.one == 0:
        command = stage.cast.image(style_id)
    elif drawn.one == 1:
        command = DeactivateStyle(**named)
    elif drawn.one < 4:
        command = ReviseStyle(**named, price=9 + (drawn.pick * 23) % 200)
    return Asked(command, f"user/{owner}")


def order_again(stage: Stage, drawn: Drawn) -> Asked:
    """The payer retries a failed or expired one."""
    job = stage.job(drawn.pick, "failed", "expired", kind="generation")
    user = job.payer if job and drawn.one else stage.cast.ben
    style_id = job.style if job else stage.cast.trained
    job_id = job.id if job else stage.cast.ids.new(user)
    return Asked(stage.cast.generation(user, style_id, retry_of=job_id), f"user/{user}")


def cancel(stage: Stage, drawn: Drawn) -> Asked:
    """The payer cancels, whatever the job does."""
    job = stage.job(drawn.pick, *OPEN)
    user = job.payer if job and drawn.one else stage.cast.ben
    if job and job.kind == "training":
        command: Any = CancelTraining(training_id=job.id, style_id=job.style, user_id=user)
    else:
        job_id = job.id if job else stage.cast.ids.new(user)
        command = CancelGeneration(generation_id=job_id, user_id=user)
    return Asked(command, f"user/{user}")


def report(
    stage: Stage, action: str, job: Job | None, who: int, *, later: int = 1, **told: Any
) -> Asked:
    """A worker reports; progress is remembered under no key."""
    kind = job.kind if job else "generation"
    named = stage.reporter(job, who, later=later) | {
        f"{kind}_id": job.id if job else task_id(stage.cast.ids.new(0), 0)
    }
    if job and kind == "training":
        named["style_id"] = job.style
    elif action == "complete":
        told |= {"width": 512, "height": 512}
    command = REPORTS[kind][action](**named, **told)
    return Asked(command, None if action == "progress" else f"worker/{named['worker_id']}")


def started(stage: Stage, drawn: Drawn) -> Asked:
    """A worker begins; another one has begun before, or its task is an old one."""
    return report(stage, "started", stage.job(drawn.pick, "queued"), drawn.who)


def progress(stage: Stage, drawn: Drawn) -> Asked:
    """A worker is on its way, or was."""
    job, percent = stage.job(drawn.pick, "processing"), drawn.one * 13 + drawn.ripe
    return report(stage, "progress", job, drawn.who, later=drawn.two - 2, percent=percent)


def complete(stage: Stage, drawn: Drawn) -> Asked:
    """A worker has a result, also before it began, twice, or of an old task."""
    job = stage.job(drawn.pick, "processing")
    return report(stage, "complete", job, drawn.who, **result(drawn.one == 7))


def complete_again(stage: Stage, drawn: Drawn) -> Asked:
    """A worker has a result of a job that has ended or waits."""
    job = stage.job(drawn.pick, *ENDED, "retrying")
    return report(stage, "complete", job, drawn.who, **result(drawn.one > 3))


def fail(stage: Stage, drawn: Drawn) -> Asked:
    """A worker gives up."""
    told = {"code": "worker_error", "message": None, "is_retryable": drawn.one < 6}
    return report(stage, "failed", stage.job(drawn.pick, "processing"), drawn.who, **told)


def late(stage: Stage, drawn: Drawn) -> Asked:
    """A result comes for a job that has ended or tries again."""
    job = stage.job(drawn.pick, "failed", "expired", "retrying")
    named = stage.reporter(job, drawn.who)
    command = ReceiveLateResult(**named, stream=stage.stream(job), **result(drawn.one == 7))
    return Asked(command, f"worker/{named['worker_id']}")


def accept_late(stage: Stage, drawn: Drawn) -> Asked:
    """The payer takes a late result, at times after it is gone."""
    with_late = [
        one for one in stage.world.jobs.values()
        if one.late and one.kind == "generation" and one.status in ("failed", "expired")
    ]  # fmt: skip
    job = with_late[-1 - drawn.pick % len(with_late)] if with_late else stage.job(drawn.pick)
    job_id = job.id if job else stage.cast.ids.new(stage.cast.ann)
    sha256 = SHA256
    if job and job.late:
        _, sha256, kept_until = job.late[-1]
        stage.ripen(kept_until, drawn.ripe if drawn.one > 4 else 0)
    user = job.payer if job else stage.cast.ann
    new_id = successor_job_id(job_id)
    command = AcceptLateResult(
        generation_id=new_id, late_of=job_id, user_id=user, task_id=task_id(new_id, 1),
        key="results/1", sha256=sha256,
    )  # fmt: skip
    return Asked(command, f"user/{user}")


def lease_ends(stage: Stage, drawn: Drawn) -> Asked:
    """The timer of leases; it may have read an old task."""
    job = stage.job(drawn.pick, "processing")
    stage.ripen(job and job.leased_until, drawn.ripe)
    task = (job.attempts[0] if drawn.one == 7 else job.newest).task if job else stage.cast.ann
    return _timer(stage, EndLease, job, task_id=task)


def pause_ends(stage: Stage, drawn: Drawn) -> Asked:
    """The timer of retries."""
    job = stage.job(drawn.pick, "retrying")
    stage.ripen(job and job.retry_at, drawn.ripe)
    again = task_id(job.id, len(job.attempts) + 1) if job else stage.cast.ids.new(0)
    return _timer(stage, QueueAttempt, job, task_id=again)


def time_is_over(stage: Stage, drawn: Drawn) -> Asked:
    """The timers of starts and deadlines."""
    job = stage.job(drawn.pick, *OPEN)
    if job:
        is_waiting = job.status == "queued" and not job.was_started
        stage.ripen(job.start_by if is_waiting else job.deadline, drawn.ripe)
    return _timer(stage, ExpireJob, job)


def _timer(stage: Stage, command: type[Any], job: Job | None, **named: Any) -> Asked:
    style_id = job.style if job else stage.cast.trained
    return Asked(command(stream=stage.stream(job), style_id=style_id, **named))


def go_on(stage: Stage, drawn: Drawn) -> Asked:
    """What comes next for some job, as most jobs go: without it few would come to an end."""
    job = stage.job(drawn.pick % STEADY, *(OPEN if drawn.one < 5 else ENDED))
    steps: dict[str, tuple[Callable[[Stage, Drawn], Asked], ...]] = {
        "queued": (started,),
        "processing": (complete, complete, complete, fail, fail, progress, lease_ends),
        "retrying": (pause_ends,),
        "completed": (refund, clear, clear, order),
        "failed": (late, late, order_again, order),
        "expired": (order_again, late, order),
        "canceled": (order,),
    }
    fitting = steps[job.status] if job else (order,)
    steady = drawn._replace(
        pick=drawn.pick % STEADY, who=drawn.who % STEADY, ripe=1 + drawn.ripe % 2
    )
    return fitting[drawn.two % len(fitting)](stage, steady)
