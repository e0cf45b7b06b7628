"""What people, operators and the payment provider do in a schedule, by chance."""

from datetime import timedelta
from typing import Any

from ledger.domain.earnings import ClaimEarnings, PayPayout, RequestPayout, ReturnPayout
from ledger.domain.purchase import (
    ConfirmPayment,
    ExpirePurchase,
    FailPayment,
    RefundPayment,
    StartPurchase,
)
from ledger.domain.refund import ClearEarnings, RefundGeneration
from ledger.domain.wallet import ExpireTokens, TransferTokens
from tests.oracle.stage import STRANGER, Asked, Drawn, Stage

COLOURS = ("paid", "paid", "promo", "promo@0", "promo@1", "promo@2", "promo@-1", "gold")
AMOUNTS = (400, 137, 55, 10, 9, 1, 1_000, 0)
PACKAGES = ("starter", "starter", "plus", "none")


def grant(stage: Stage, drawn: Drawn) -> Asked:
    """Mint, also too little, and colours that are over or unknown."""
    name, _, days = COLOURS[drawn.two].partition("@")
    if days:
        name += f"@{(stage.world.now + timedelta(days=int(days))).date().isoformat()}"
    command = stage.cast.grant(stage.person(drawn.who), AMOUNTS[drawn.one], name)
    return Asked(command, "operator")


def transfer(stage: Stage, drawn: Drawn) -> Asked:
    """Send tokens, also to oneself and more than one has."""
    user = stage.person(drawn.who)
    command = TransferTokens(
        transfer_id=stage.cast.ids.new(user), user_id=user, amount=AMOUNTS[drawn.one],
        recipient_id=stage.person(drawn.who + drawn.two),
    )  # fmt: skip
    return Asked(command, f"user/{user}")


def sweep(stage: Stage, drawn: Drawn) -> Asked:
    """The timer of expired colours."""
    user = stage.person(drawn.who)
    return Asked(ExpireTokens(expiry_id=stage.cast.ids.new(user), user_id=user))


def buy(stage: Stage, drawn: Drawn) -> Asked:
    """Start a purchase."""
    user = stage.person(drawn.who)
    command = StartPurchase(
        purchase_id=stage.cast.ids.new(user), user_id=user, package=PACKAGES[drawn.one % 4]
    )
    return Asked(command, f"user/{user}")


def pay(stage: Stage, drawn: Drawn) -> Asked:
    """The provider reports a payment: late, again, a second one, a wrong one."""
    purchase_id, cents = stage.purchase(drawn.pick)
    command = ConfirmPayment(
        purchase_id=purchase_id, payment_key=f"pay-{drawn.two // 6}",
        amount_cents=cents + (drawn.one == 6), currency="EUR" if drawn.one == 7 else "USD",
    )  # fmt: skip
    return Asked(command, "provider")


def payment_fails(stage: Stage, drawn: Drawn) -> Asked:
    """The provider reports that nothing was paid."""
    purchase_id, _ = stage.purchase(drawn.pick)
    command = FailPayment(purchase_id=purchase_id, payment_key="pay-0", code="declined")
    return Asked(command, "provider")


def money_back(stage: Stage, drawn: Drawn) -> Asked:
    """The provider reports a refund or a chargeback, before the payment, twice, in part."""
    purchase_id, cents = stage.purchase(drawn.pick)
    purchase = stage.world.purchases.get(purchase_id)
    command = RefundPayment(
        purchase_id=purchase_id, user_id=purchase.buyer if purchase else stage.cast.ann,
        payment_key=f"pay-{drawn.two // 6}", amount_cents=cents - (drawn.one == 7),
        currency="USD", reason="chargeback" if drawn.one == 6 else "refund",
    )  # fmt: skip
    return Asked(command, "provider")


def purchase_expires(stage: Stage, drawn: Drawn) -> Asked:
    """The timer of purchases."""
    purchase_id, _ = stage.purchase(drawn.pick)
    if purchase_id in stage.world.purchases:
        stage.ripen(stage.world.purchases[purchase_id].expires, drawn.ripe)
    return Asked(ExpirePurchase(purchase_id=purchase_id))


def refund(stage: Stage, drawn: Drawn) -> Asked:
    """An operator gives a price back, at the edges of the windows too."""
    job = stage.job(drawn.pick, "completed", kind="generation")
    days = {5: 7, 6: 8, 7: 90}.get(drawn.one)
    if job and job.captured_at and days:
        stage.ripen(job.captured_at + timedelta(days=days), drawn.ripe)
    job_id = job.id if job else stage.cast.ids.new(0)
    return Asked(RefundGeneration(generation_id=job_id, reason="broken_image"), "operator")


def clear(stage: Stage, drawn: Drawn) -> Asked:
    """The timer of clearing."""
    job = stage.job(drawn.pick, "completed", kind="generation")
    if job and job.captured_at:
        stage.ripen(job.captured_at + timedelta(days=7, hours=1), drawn.ripe if drawn.two else 0)
    return Asked(ClearEarnings(generation_id=job.id if job else stage.cast.ids.new(0)))


def claim(stage: Stage, drawn: Drawn) -> Asked:
    """The artist claims, all or some."""
    artist = stage.cast.artist
    command = ClaimEarnings(
        claim_id=stage.cast.ids.new(artist), artist_id=artist,
        colour=(None, None, "promo", "paid")[drawn.one % 4],
        amount=AMOUNTS[drawn.two] if drawn.pick > 9 else None,
    )  # fmt: skip
    return Asked(command, f"user/{artist}")


def payout(stage: Stage, drawn: Drawn) -> Asked:
    """The artist wants money."""
    artist = stage.cast.artist
    payout_id = stage.cast.ids.new(artist)
    command = RequestPayout(payout_id=payout_id, artist_id=artist, amount=AMOUNTS[drawn.one])
    return Asked(command, f"user/{artist}")


def payout_closes(stage: Stage, drawn: Drawn) -> Asked:
    """An operator pays or returns, also twice and one after the other."""
    payouts = list(stage.world.payouts)
    is_known = payouts and drawn.pick != STRANGER
    payout_id = payouts[-1 - drawn.pick % len(payouts)] if is_known else stage.cast.ids.new(0)
    paid = PayPayout(payout_id=payout_id, reference="bank 1", amount_cents=1, currency="USD")
    returned: Any = ReturnPayout(payout_id=payout_id, reason="bank_refused")
    return Asked(paid if drawn.one < 4 else returned, "operator")
