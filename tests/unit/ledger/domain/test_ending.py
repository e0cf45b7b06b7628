"""Whatever happens to a job, in any order: one end, and its hold goes back whole or pays."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ledger.domain import attempt, generation, money
from ledger.domain.attempt import EndLease, ExpireJob
from ledger.domain.change import Change, Decision
from ledger.domain.errors import AlreadyCompleted, AlreadyEnded
from ledger.domain.generation import GenerationState, StartGeneration
from ledger.domain.job import HoldStatus, JobStatus
from ledger.domain.money import PAID, PROMO
from tests.unit.ledger.domain.stories import (
    CLAIM,
    GENERATION,
    NOW,
    PICTURE_STREAM,
    STYLE,
    TASK,
    TERMS,
    USER,
    UUID,
    WORKER,
    after_picture,
    cancel_picture,
    complete_picture,
    fail_picture,
    keys,
    moved,
    order_picture,
    queue_attempt,
    queued_picture,
    receive_late,
    trained,
)

SOON = "promo@2027-02-28"
WALLETS = st.dictionaries(
    st.sampled_from([PAID, PROMO, SOON]), st.integers(100, 10_000), min_size=1
)
Step = Callable[[GenerationState, datetime, UUID], Decision | list[Change]]


def start(state: GenerationState, now: datetime, task_id: UUID) -> Decision:
    command = StartGeneration(
        generation_id=GENERATION, task_id=task_id, claim=CLAIM, worker_id=WORKER, sequence=1
    )
    return generation.start_generation(command, now=now, terms=TERMS, generation=state)


def fail(state: GenerationState, now: datetime, task_id: UUID) -> Decision:
    return fail_picture(state, now=now, task_id=task_id, is_retryable=True)


def fail_for_good(state: GenerationState, now: datetime, task_id: UUID) -> Decision:
    return fail_picture(state, now=now, task_id=task_id)


def complete(state: GenerationState, now: datetime, task_id: UUID) -> Decision:
    return complete_picture(state, now=now, task_id=task_id)


def come_late(state: GenerationState, now: datetime, task_id: UUID) -> Decision:
    return receive_late(state, now=now, task_id=task_id)


def cancel(state: GenerationState, now: datetime, task_id: UUID) -> list[Change]:
    return cancel_picture(state)


def end_lease(state: GenerationState, now: datetime, task_id: UUID) -> list[Change]:
    command = EndLease(stream=PICTURE_STREAM, style_id=STYLE, task_id=task_id)
    return attempt.end_lease(command, now=now, terms=TERMS, state=state)


def queue(state: GenerationState, now: datetime, task_id: UUID) -> list[Change]:
    return queue_attempt(state, now, UUID(int=TASK.int + state.job.attempt))


def expire(state: GenerationState, now: datetime, task_id: UUID) -> list[Change]:
    command = ExpireJob(stream=PICTURE_STREAM, style_id=STYLE)
    return attempt.expire_job(command, now=now, state=state)


STEPS: tuple[Step, ...] = (
    start, fail, fail_for_good, complete, come_late, cancel, end_lease, queue, expire,
)  # fmt: skip


@dataclass
class Course:
    """The course of one picture of a wallet: its state and all that was decided about it."""

    wallet: dict[str, int]
    price: int = 100
    now: datetime = NOW
    changes: list[Change] = field(default_factory=list)

    def __post_init__(self) -> None:
        style = trained(price=self.price)
        self.changes += order_picture(available=self.wallet, style=style)
        self.state = queued_picture(self.wallet, style=style)

    def take(self, step: Step, seconds: float, age: int = 0) -> None:
        """Take a step that long after the last, about the newest attempt or one `age` older."""
        self.now += timedelta(seconds=seconds)
        attempts = self.state.job.attempts
        task_id = attempts[max(0, len(attempts) - 1 - age)].task_id
        try:
            decided = Decision.of(step(self.state, self.now, task_id))
        except (AlreadyCompleted, AlreadyEnded):
            return
        self.state = after_picture(self.state, decided, self.now)
        self.changes += decided.changes

    def balance(self, account: str) -> int:
        """Return what all decisions so far did to an account."""
        sums = moved(self.changes)
        return sum(amount for (of, _), amount in sums.items() if of == account)


@given(
    wallet=WALLETS,
    steps=st.lists(
        st.tuples(st.sampled_from(STEPS), st.integers(0, 200), st.integers(0, 2)), max_size=25
    ),
)
def test_in_any_order_a_job_ends_once_and_its_hold_is_settled_with_it(
    wallet: dict[str, int], steps: list[tuple[Step, int, int]]
) -> None:
    """G2, G4, G5, G9, I3, I4, I11, I12."""
    course = Course(wallet)
    for step, seconds, age in steps:
        was_terminal = course.state.job.is_terminal
        ended_at, count = course.state.job.ended_at, len(keys(course.changes))
        course.take(step, seconds, age)
        job = course.state.job
        if was_terminal:
            assert (job.is_terminal, job.ended_at) == (True, ended_at)
            assert len(keys(course.changes)) == count
        assert course.balance(money.held(USER)) == (0 if job.is_terminal else 100)
        assert job.is_terminal == (job.hold is not HoldStatus.OPEN)
    is_free = course.state.job.is_terminal and course.state.job.status is not JobStatus.COMPLETED
    assert course.balance(money.available(USER)) == (0 if is_free else -100)
    assert len(set(keys(course.changes))) == len(keys(course.changes))
    assert len(course.state.job.attempts) <= 4


@given(wallet=WALLETS, price=st.integers(10, 10_000), retries=st.integers(0, 5))
def test_a_job_that_fails_and_fails_again_costs_nothing(
    wallet: dict[str, int], price: int, retries: int
) -> None:
    """G2, G5, I3, I12: hold, n retries, release: as if nothing had been ordered."""
    if sum(wallet.values()) < price:
        return
    course = Course(wallet, price)
    for _ in range(retries):
        course.take(start, 1)
        course.take(fail, 1)
        course.take(queue, 180)
    course.take(start, 1)
    course.take(fail_for_good, 1)
    course.take(expire, 24 * 3600)
    assert course.state.job.is_terminal
    assert moved(course.changes) == {}
    assert keys(course.changes) == [f"{PICTURE_STREAM}:hold", f"{PICTURE_STREAM}:release"]
