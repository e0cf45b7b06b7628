"""The model's rules of styles and of jobs for who pays and who earns (design section 8)."""

from typing import Any
from uuid import UUID

from tests.oracle.world import (
    FEE_BPS,
    GOODWILL,
    ISSUANCE,
    LEAST_IMAGES,
    LEAST_PRICE,
    MOST_IMAGES,
    MOST_PRICE,
    REVENUE,
    TRAINING_COST,
    Attempt,
    Job,
    Style,
    World,
    artist,
    burn_order,
    held,
    refuse,
    wallet,
)

START_SECONDS = {"generation": 15 * 60, "training": 6 * 3600}
RUN_SECONDS = 10 * 60  # of a generation, from its first start
TRAINING_SECONDS = 24 * 3600  # of a training, in all
REFUND_DAYS, GOODWILL_DAYS = 7, 90
RETRYABLE = ("failed", "expired")


def draft_style(world: World, command: Any) -> None:
    """A style costs 10 to 10,000 tokens a picture, 100 if nothing is said."""
    if command.style_id in world.styles:
        refuse("id_taken")
    price = 100 if command.price is None else command.price
    _check_price(price)
    world.styles[command.style_id] = Style(command.artist_id, price)


def _check_price(price: int) -> None:
    if not LEAST_PRICE <= price <= MOST_PRICE:
        refuse("price_out_of_range")


def _own_style(world: World, command: Any) -> Style:
    style = world.styles.get(command.style_id)
    is_own = style is not None and style.artist == command.artist_id
    if style is None or not (is_own or (style.is_active and style.is_trained)):
        refuse("style_not_found")
    return style if is_own else refuse("not_the_owner")


def revise_style(world: World, command: Any) -> None:
    """A new price is for new orders."""
    style = _own_style(world, command)
    _check_price(command.price)
    style.price = command.price


def deactivate_style(world: World, command: Any) -> None:
    """No more orders."""
    _own_style(world, command).is_active = False


def reactivate_style(world: World, command: Any) -> None:
    """Orders again."""
    _own_style(world, command).is_active = True


def add_image(world: World, command: Any) -> None:
    """Images come while no training uses them; the schedules never give one twice."""
    style = _own_style(world, command)
    if style.is_locked:
        refuse("training_in_progress")
    if style.images >= MOST_IMAGES:
        refuse("too_many_images")
    style.images += 1


def request_training(world: World, command: Any) -> None:
    """The artist pays 100 for a model of 10 to 100 images."""
    if command.training_id in world.jobs:
        refuse("id_taken")
    style = _own_style(world, command)
    if not style.is_active:
        refuse("style_inactive")
    if style.is_trained:
        refuse("style_already_trained")
    if style.is_locked:
        refuse("training_in_progress")
    if style.images < LEAST_IMAGES:
        refuse("too_few_images")
    paid_in = world.burn(command.artist_id, TRAINING_COST)
    style.is_locked = True
    _hold(
        world,
        Job(
            id=command.training_id, kind="training", payer=command.artist_id,
            style=command.style_id, artist=None, price=TRAINING_COST, paid_in=paid_in,
            attempts=[Attempt(command.task_id)],
            start_by=world.after(seconds=START_SECONDS["training"]),
            deadline=world.after(seconds=TRAINING_SECONDS),
        ),
    )  # fmt: skip


def request_generation(world: World, command: Any) -> None:
    """The price is held: quote = hold (G4)."""
    if command.generation_id in world.jobs:
        refuse("id_taken")
    if command.retry_of is not None:
        old = _own_generation(world, command.retry_of, command.user_id)
        if old.status not in RETRYABLE:
            refuse("not_retryable")
    style = world.styles.get(command.style_id)
    if style is None or not (style.is_trained or style.artist == command.user_id):
        refuse("style_not_found")
    if not style.is_active:
        refuse("style_inactive")
    if not style.is_trained:
        refuse("style_not_trained")
    if command.expected_price not in (None, style.price):
        refuse("price_changed")
    paid_in = world.burn(command.user_id, style.price)
    start_by = world.after(seconds=START_SECONDS["generation"])
    _hold(
        world,
        Job(
            id=command.generation_id, kind="generation", payer=command.user_id,
            style=command.style_id, artist=style.artist, price=style.price, paid_in=paid_in,
            attempts=[Attempt(command.task_id)], start_by=start_by,
            deadline=start_by + (world.after(seconds=RUN_SECONDS) - world.now),
        ),
    )  # fmt: skip


def _own_generation(world: World, job_id: UUID, user: UUID) -> Job:
    job = world.jobs.get(job_id)
    if job is None or job.payer != user or job.kind != "generation":
        refuse("generation_not_found")
    return job


def _hold(world: World, job: Job) -> None:
    world.sweep(job.payer)
    for colour, amount in job.paid_in:
        world.purse.move(colour, amount, wallet(job.payer), held(job.payer))
    world.jobs[job.id] = job


def capture(world: World, job: Job) -> None:
    """Expiring colours become promo; fee = floor(P x 1000 / 10000) per colour, the rest earned."""
    lasting: dict[str, int] = {}
    for colour, amount in job.paid_in:
        kept = "promo" if colour.startswith("promo@") else colour
        lasting[kept] = lasting.get(kept, 0) + amount
        taker = ISSUANCE if kept != colour else "nowhere"
        world.purse.move(colour, amount, held(job.payer), taker)
        if kept != colour:
            world.purse.move(kept, amount, ISSUANCE, "nowhere")
    for colour in sorted(lasting, key=burn_order):
        amount = lasting[colour]
        fee = amount if job.artist is None else amount * FEE_BPS // 10_000
        job.shares.append((colour, amount - fee, fee))
        world.purse.move(colour, fee, "nowhere", REVENUE)
        if job.artist is not None:
            world.purse.move(colour, amount - fee, "nowhere", artist(job.artist, "pending"))
    job.captured, job.captured_at = job.price, world.now


def release(world: World, job: Job, status: str) -> None:
    """Give the whole hold back and end the job."""
    for colour, amount in job.paid_in:
        world.purse.move(colour, amount, held(job.payer), wallet(job.payer))
    world.sweep(job.payer, job.paid_in)
    job.status, job.released = status, job.price
    if job.kind == "training":
        world.styles[job.style].is_locked = False


def cancel_generation(world: World, command: Any) -> None:
    """Before processing at once, while processing by the worker."""
    _cancel(world, _own_generation(world, command.generation_id, command.user_id))


def cancel_training(world: World, command: Any) -> None:
    """As a generation."""
    job = world.jobs.get(command.training_id)
    if job is None or (job.payer, job.style) != (command.user_id, command.style_id):
        refuse("training_not_found")
    _cancel(world, job)


def _cancel(world: World, job: Job) -> None:
    if job.status == "completed":
        refuse("already_completed")
    if job.is_ended:
        refuse("already_ended")
    if job.status == "processing":
        job.is_cancel_asked = True
    else:
        release(world, job, "canceled")


def accept_late(world: World, command: Any) -> None:
    """A new generation, requested, held, completed and captured in one."""
    old = _own_generation(world, command.late_of, command.user_id)
    if old.status not in RETRYABLE or not old.late:
        refuse("no_late_result")
    _, sha256, kept_until = old.late[-1]
    if world.now > kept_until:
        refuse("late_result_gone")
    if sha256 != command.sha256:
        refuse("no_late_result")
    if command.generation_id in world.jobs:
        refuse("late_result_accepted")
    job = Job(
        id=command.generation_id, kind="generation", payer=old.payer, style=old.style,
        artist=old.artist, price=old.price, paid_in=world.burn(old.payer, old.price),
        attempts=[Attempt(command.task_id)], start_by=world.now, deadline=world.now,
        status="completed", result=sha256,
    )  # fmt: skip
    _hold(world, job)
    capture(world, job)


def refund(world: World, command: Any) -> None:
    """The price goes back whole, once: from pending inside 7 days, from goodwill up to 90."""
    job = world.jobs.get(command.generation_id)
    if job is None or job.kind != "generation":
        refuse("generation_not_found")
    if job.captured_at is None:
        refuse("not_refundable")
    if job.refunded:
        refuse("already_refunded")
    days = (world.now - job.captured_at).total_seconds() / 86_400
    if days > GOODWILL_DAYS:
        refuse("refund_too_late")
    is_pending = days <= REFUND_DAYS and not job.is_cleared
    job.refunded_from = "pending" if is_pending else "goodwill"
    giver = artist(job.artist, "pending") if is_pending and job.artist else GOODWILL
    for colour, earned, fee in job.shares:
        world.purse.move(colour, earned, giver, "nowhere")
        world.purse.move(colour, fee, REVENUE, "nowhere")
    for colour, amount in job.paid_in:
        if colour.startswith("promo@"):
            world.purse.move("promo", amount, "nowhere", ISSUANCE)
            world.purse.move(colour, amount, ISSUANCE, wallet(job.payer))
        else:
            world.purse.move(colour, amount, "nowhere", wallet(job.payer))
    world.sweep(job.payer, job.paid_in)
    job.refunded = job.price


def clear(world: World, command: Any) -> None:
    """7 days and an hour after the capture the artist has earned it."""
    job = world.jobs.get(command.generation_id)
    if job is None or job.captured_at is None or job.is_cleared or job.artist is None:
        return
    is_due = (world.now - job.captured_at).total_seconds() >= REFUND_DAYS * 86_400 + 3_600
    if not is_due or job.refunded_from == "pending":
        return
    for colour, earned, _ in job.shares:
        giver, taker = artist(job.artist, "pending"), artist(job.artist, "earned")
        world.purse.move(colour, earned, giver, taker)
        job.is_cleared = job.is_cleared or bool(earned)
