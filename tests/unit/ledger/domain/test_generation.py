"""A picture: ordered at a pinned price, made by a worker, paid when it is stored."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain import generation, money
from ledger.domain.change import Decision, Disposition
from ledger.domain.errors import (
    IdTaken,
    InsufficientTokens,
    NotRetryable,
    ParameterOutOfRange,
    PriceChanged,
    StyleInactive,
    UnknownGeneration,
    UnknownSize,
    UnknownStyle,
    UnknownTask,
)
from ledger.domain.events import AccountClosed, GenerationRefunded
from ledger.domain.generation import (
    CompleteGeneration,
    GenerationState,
    ProgressGeneration,
    StartGeneration,
)
from ledger.domain.job import HoldStatus, JobStatus
from ledger.domain.money import PAID, PROMO
from tests.unit.ledger.domain.stories import (
    ARTIST,
    CLAIM,
    GENERATION,
    LATER,
    NOW,
    OF_GENERATION,
    OTHER_CLAIM,
    PICTURE,
    PICTURE_STREAM,
    STRANGER,
    STYLE,
    TERMS,
    TEXT,
    USER,
    UUID,
    after_picture,
    cancel_picture,
    complete_picture,
    completed_picture,
    draft,
    events,
    fail_picture,
    failed_picture,
    keys,
    moved,
    names,
    order_picture,
    picture_command,
    queued_picture,
    retrying_picture,
    running_picture,
    trained,
)

SOON = "promo@2027-01-31"


def start(state: GenerationState | None, **given: Any) -> Decision:
    command = StartGeneration(**{**OF_GENERATION, "sequence": 1, **given})
    return generation.start_generation(command, now=NOW, terms=TERMS, generation=state)


def progress(state: GenerationState | None, percent: int, sequence: int = 2) -> Decision:
    command = ProgressGeneration(**OF_GENERATION, percent=percent, sequence=sequence)
    return generation.progress_generation(command, generation=state)


def test_an_order_holds_the_price_it_quotes() -> None:
    """G4."""
    changes = order_picture()
    assert names(changes) == ["GenerationRequested", "TokensHeld"]
    assert moved(changes) == {(money.available(USER), PAID): -100, (money.held(USER), PAID): 100}
    assert keys(changes) == [f"{PICTURE_STREAM}:hold"]
    requested, held = events(changes)
    assert requested.price == held.amount == 100
    assert held.colours == ((PAID, 100),)


def test_an_order_pins_price_split_model_and_deadlines() -> None:
    requested = events(order_picture())[0]
    assert (requested.fee_bps, requested.split) == (1_000, ((PAID, 90, 10),))
    assert (requested.model_key, requested.model_sha256) == ("models/1", "a" * 64)
    assert (requested.artist_id, requested.seed, requested.size) == (ARTIST, 42, "512x512")
    assert requested.start_by_at == NOW + timedelta(minutes=15)
    assert requested.deadline_at == NOW + timedelta(minutes=25)


def test_an_order_burns_expiring_tokens_first() -> None:
    changes = order_picture(available={PAID: 500, PROMO: 30, SOON: 20})
    assert events(changes)[1].colours == ((SOON, 20), (PROMO, 30), (PAID, 50))


def test_expired_tokens_that_an_order_meets_leave_the_wallet_first() -> None:
    changes = order_picture(available={"promo@2027-01-30": 20, PAID: 100})
    assert names(changes) == ["TokensExpired", "GenerationRequested", "TokensHeld"]
    assert keys(changes)[0] == f"expiry-{GENERATION}:expire:promo@2027-01-30"


def test_an_order_that_the_balance_does_not_cover_writes_nothing() -> None:
    """G3."""
    with pytest.raises(InsufficientTokens) as refusal:
        order_picture(available={PAID: 99, "promo@2027-01-30": 20})
    assert refusal.value.details == {"required": 100, "available": 99, "shortfall": 1}


def test_a_price_other_than_the_expected_one_is_refused() -> None:
    with pytest.raises(PriceChanged) as refusal:
        order_picture(style=trained(price=120), command=picture_command(expected_price=100))
    assert refusal.value.details == {"expected_price": 100, "price": 120}


def test_the_expected_price_is_fine() -> None:
    assert order_picture(command=picture_command(expected_price=100))


@pytest.mark.parametrize(
    ("style", "refusal"),
    [
        (None, UnknownStyle),
        (draft(), UnknownStyle),
        (replace(trained(), is_active=False), StyleInactive),
    ],
)
def test_only_a_trained_and_active_style_takes_orders(style: Any, refusal: Any) -> None:
    with pytest.raises(refusal):
        order_picture(style=style)


@pytest.mark.parametrize(
    ("wrong", "refusal"),
    [
        ({"size": "64x64"}, UnknownSize),
        ({"steps": 0}, ParameterOutOfRange),
        ({"steps": 151}, ParameterOutOfRange),
        ({"seed": -1}, ParameterOutOfRange),
        ({"seed": 2**32}, ParameterOutOfRange),
    ],
)
def test_a_parameter_outside_its_range_is_refused(wrong: dict[str, Any], refusal: Any) -> None:
    with pytest.raises(refusal):
        order_picture(command=picture_command(**wrong))


def test_a_generation_is_requested_once() -> None:
    with pytest.raises(IdTaken):
        order_picture(generation=queued_picture())


AGAIN = picture_command(generation_id=UUID(int=0xB5), retry_of=GENERATION)


def test_a_failed_picture_can_be_ordered_again_as_a_new_one() -> None:
    """G4: at today's price."""
    changes = order_picture(command=AGAIN, retried=failed_picture(), style=trained(price=120))
    requested, held = events(changes)
    assert (requested.retry_of, requested.late_of) == (GENERATION, None)
    assert requested.price == held.amount == 120
    expired = failed_picture()
    expired = replace(expired, job=replace(expired.job, status=JobStatus.EXPIRED))
    assert order_picture(command=AGAIN, retried=expired)


@pytest.mark.parametrize(
    "retried",
    [
        queued_picture(),
        running_picture(),
        retrying_picture(),
        completed_picture(),
        after_picture(queued_picture(), cancel_picture(queued_picture())),
    ],
)
def test_only_a_failed_or_expired_picture_is_ordered_again(retried: GenerationState) -> None:
    with pytest.raises(NotRetryable) as refusal:
        order_picture(command=AGAIN, retried=retried)
    assert refusal.value.details == {"status": retried.job.status.value}


def test_nobody_orders_anothers_picture_again() -> None:
    """G13."""
    with pytest.raises(UnknownGeneration):
        order_picture(command=AGAIN, retried=None)
    with pytest.raises(UnknownGeneration):
        order_picture(command=replace(AGAIN, user_id=STRANGER), retried=failed_picture())


def test_what_a_picture_pays_is_what_its_request_pinned() -> None:
    """G4, I5, I7."""
    request = queued_picture().request
    change = generation.paid(
        request, stream=PICTURE_STREAM, colours=((PAID, 100),), terms=TERMS, now=NOW
    )
    assert (change.event.amount, change.event.split) == (request.price, request.split)
    assert change.movement_key == f"{PICTURE_STREAM}:capture"


def test_a_renewed_request_keeps_price_and_model_and_has_no_time_to_wait() -> None:
    old = replace(queued_picture().request, retry_of=UUID(int=0xB5))
    new = generation.renewed(
        old, task_id=UUID(int=0xC8), colours=((PROMO, 100),), late_of=GENERATION, now=LATER
    )
    assert new == replace(
        old, task_id=UUID(int=0xC8), split=((PROMO, 90, 10),), start_by_at=LATER,
        deadline_at=LATER, retry_of=None, late_of=GENERATION,
    )  # fmt: skip


def test_the_first_claim_starts_the_job() -> None:
    decision = start(queued_picture())
    assert decision.disposition is Disposition.APPLIED
    assert names(decision) == ["GenerationStarted"]
    (event,) = events(decision)
    assert event.leased_until_at == NOW + timedelta(seconds=60)
    assert event.deadline_at == NOW + timedelta(minutes=10)
    job = after_picture(queued_picture(), decision).job
    assert (job.status, job.claim) == (JobStatus.PROCESSING, CLAIM)


def test_a_later_attempt_keeps_the_deadline_of_the_first_start() -> None:
    queued = queued_picture()
    again = replace(queued, job=replace(queued.job, started_at=NOW, deadline_at=LATER))
    assert events(start(again))[0].deadline_at == LATER


def test_a_second_claim_does_not_start_the_job() -> None:
    decision = start(running_picture(), claim=OTHER_CLAIM)
    assert decision == Decision(disposition=Disposition.STALE)


def test_each_new_tenth_is_an_event_and_the_rest_are_heartbeats() -> None:
    running = running_picture()
    heartbeat = progress(running, percent=9)
    assert heartbeat == Decision(disposition=Disposition.APPLIED)
    decision = progress(running, percent=37)
    assert names(decision) == ["GenerationProgressed"]
    job = after_picture(running, decision).job
    assert (job.percent, job.sequence) == (37, 2)


def test_progress_that_goes_back_changes_nothing() -> None:
    ahead = after_picture(running_picture(), progress(running_picture(), percent=50, sequence=4))
    assert progress(ahead, percent=60, sequence=4) == Decision(disposition=Disposition.STALE)
    assert progress(ahead, percent=20, sequence=5) == Decision(disposition=Disposition.APPLIED)


def test_a_completion_pays_artist_and_platform_out_of_the_hold() -> None:
    """G5, I6, I7."""
    decision = complete_picture(running_picture())
    assert names(decision) == ["GenerationCompleted", "HoldCaptured"]
    assert moved(decision) == {
        (money.held(USER), PAID): -100,
        (money.pending(ARTIST), PAID): 90,
        (money.REVENUE, PAID): 10,
    }
    completed, captured = events(decision)
    assert (completed.key, completed.sha256, completed.bytes) == ("results/1", "b" * 64, 7)
    assert captured.refundable_until_at == LATER + timedelta(days=7)
    assert captured.clears_at == LATER + timedelta(days=7, hours=1)
    state = after_picture(running_picture(), decision)
    assert (state.job.status, state.job.hold) == (JobStatus.COMPLETED, HoldStatus.CAPTURED)
    assert (state.result, state.captured) == (completed, captured)


def test_the_pinned_split_is_paid_whatever_the_fee_is_by_then() -> None:
    running = running_picture()
    command = CompleteGeneration(**OF_GENERATION, **PICTURE, sequence=9)
    decision = generation.complete_generation(
        command, now=LATER, terms=replace(TERMS, fee_bps=9_000), generation=running
    )
    assert events(decision)[1].split == ((PAID, 90, 10),)


def test_the_same_completion_again_moves_nothing() -> None:
    """G7, G9."""
    done = after_picture(running_picture(), complete_picture(running_picture()))
    assert complete_picture(done) == Decision(disposition=Disposition.DUPLICATE)


def test_another_result_for_a_closed_job_is_ignored() -> None:
    """G9."""
    done = after_picture(running_picture(), complete_picture(running_picture()))
    failed = after_picture(running_picture(), fail_picture(running_picture()))
    ignored = Decision(disposition=Disposition.LATE_IGNORED)
    assert complete_picture(done, sha256="c" * 64) == ignored
    assert complete_picture(done, claim=OTHER_CLAIM) == ignored
    assert complete_picture(failed) == ignored


def test_a_completion_before_the_start_moves_nothing() -> None:
    assert complete_picture(queued_picture()) == Decision(disposition=Disposition.STALE)


def test_a_final_failure_gives_the_whole_hold_back() -> None:
    """G5, I12."""
    available = {PAID: 500, PROMO: 30, SOON: 20}
    running = running_picture(available)
    decision = fail_picture(running, message=TEXT)
    assert names(decision) == ["GenerationFailed", "HoldReleased"]
    assert moved([*order_picture(available=available), *decision.changes]) == {}
    assert keys(decision) == [f"{PICTURE_STREAM}:release"]
    job = after_picture(running, decision).job
    assert (job.status, job.hold) == (JobStatus.FAILED, HoldStatus.RELEASED)
    assert (job.failure_code, job.failure_message) == ("moderation", TEXT)


def test_a_release_into_an_expired_colour_lets_it_expire() -> None:
    decision = fail_picture(running_picture({SOON: 100}), now=NOW + timedelta(days=1))
    assert names(decision) == ["GenerationFailed", "HoldReleased", "TokensExpired"]
    assert moved(decision) == {(money.held(USER), SOON): -100, (money.EXPIRED, SOON): 100}


def test_a_failure_of_a_closed_job_moves_nothing() -> None:
    done = after_picture(running_picture(), complete_picture(running_picture()))
    assert fail_picture(done) == Decision(disposition=Disposition.JOB_CLOSED)
    assert progress(done, percent=99) == Decision(disposition=Disposition.JOB_CLOSED)


def test_a_report_about_no_job_is_refused() -> None:
    for report in (start, complete_picture, fail_picture, lambda state: progress(state, percent=1)):
        with pytest.raises(UnknownTask):
            report(None)


def test_a_refund_is_seen_in_the_hold() -> None:
    done = after_picture(running_picture(), complete_picture(running_picture()))
    event = GenerationRefunded(
        user_id=USER, style_id=STYLE, artist_id=ARTIST, amount=100, colours=((PAID, 100),),
        split=((PAID, 90, 10),), source="pending", reason="broken", note=None,
    )  # fmt: skip
    state = generation.evolve(done, event, LATER)
    assert state is not None
    assert (state.job.hold, state.job.status) == (HoldStatus.REFUNDED, JobStatus.COMPLETED)


def test_a_generation_begins_with_its_request() -> None:
    assert generation.evolve(None, AccountClosed(user_id=USER, reason="owner"), NOW) is None
    assert queued_picture().job.requested_at == NOW


@given(
    wallet=st.dictionaries(
        st.sampled_from([PAID, PROMO, SOON, "promo@2027-06-30"]), st.integers(100, 10_000),
        min_size=1,
    ),
    price=st.integers(10, 10_000),
    is_success=st.booleans(),
)  # fmt: skip
def test_a_job_ends_with_an_empty_hold_and_costs_its_price_or_nothing(
    wallet: dict[str, int], price: int, is_success: bool
) -> None:
    """G4, G5, I3: captured + released = hold."""
    if sum(wallet.values()) < price:
        return
    style = trained(price=price)
    running = running_picture(wallet, style=style)
    end = complete_picture(running) if is_success else fail_picture(running)
    sums = moved([*order_picture(available=wallet, style=style), *end.changes])
    assert not [key for key in sums if key[0] == money.held(USER)]
    spent = -sum(amount for key, amount in sums.items() if key[0] == money.available(USER))
    assert spent == (price if is_success else 0)
