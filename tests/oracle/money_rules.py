"""The model's rules of wallets, purchases and earnings (design section 7, and 8 for purchases)."""

import re
from datetime import date
from typing import Any
from uuid import UUID

from tests.oracle.world import (
    GOODWILL,
    ISSUANCE,
    MOST_TOKENS,
    PACKAGES,
    PAID_OUT,
    Payout,
    Purchase,
    World,
    artist,
    refuse,
    wallet,
)


def check_amount(amount: int) -> None:
    """One movement has 1 to 1,000,000,000 tokens."""
    if not 1 <= amount <= MOST_TOKENS:
        refuse("amount_out_of_range")


def grant(world: World, command: Any) -> None:
    """Operators mint."""
    if not command.has_wallet:
        refuse("recipient_not_found")
    check_amount(command.amount)
    if not _is_colour(command.colour) or world.is_over(command.colour):
        refuse("unknown_colour")
    world.purse.move(command.colour, command.amount, ISSUANCE, wallet(command.user_id))


def _is_colour(text: str) -> bool:
    if text in ("paid", "promo"):
        return True
    if not re.fullmatch(r"promo@[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return False
    try:
        date.fromisoformat(text[6:])
    except ValueError:
        return False
    return True


def transfer(world: World, command: Any) -> None:
    """Transfers move paid tokens only; what is met expired goes first."""
    if not command.has_wallet:
        refuse("recipient_not_found")
    check_amount(command.amount)
    if command.recipient_id == command.user_id:
        refuse("self_transfer")
    have = world.purse.colours(wallet(command.user_id)).get("paid", 0)
    if have < command.amount:
        missing = command.amount - have
        refuse("insufficient_tokens", required=command.amount, available=have, shortfall=missing)
    world.sweep(command.user_id)
    world.purse.move("paid", command.amount, wallet(command.user_id), wallet(command.recipient_id))


def expire_tokens(world: World, command: Any) -> None:
    """The timer takes out what is over."""
    world.sweep(command.user_id)


def start_purchase(world: World, command: Any) -> None:
    """The price is the server's; open for 15 minutes."""
    if command.purchase_id in world.purchases:
        refuse("id_taken")
    if command.package not in PACKAGES:
        refuse("unknown_package")
    tokens, cents = PACKAGES[command.package]
    world.purchases[command.purchase_id] = Purchase(
        command.user_id, tokens, cents, world.after(minutes=15)
    )


def _purchase(world: World, purchase_id: UUID) -> Purchase:
    return world.purchases.get(purchase_id) or refuse("purchase_not_found")


def confirm_payment(world: World, command: Any) -> str:
    """Tokens are issued once, also for an expired one, at the pinned amount only."""
    purchase = _purchase(world, command.purchase_id)
    if command.payment_key == purchase.payment:
        return "duplicate"
    is_pinned = (command.amount_cents, command.currency) == (purchase.cents, "USD")
    if purchase.payment is not None or not is_pinned:
        return _dispute(purchase, command.payment_key)
    purchase.status, purchase.payment = "paid", command.payment_key
    purchase.issued = purchase.tokens
    world.purse.move("paid", purchase.tokens, ISSUANCE, wallet(purchase.buyer))
    return "applied"


def _dispute(purchase: Purchase, payment: str) -> str:
    if purchase.disputed is not None:
        return "duplicate"
    purchase.disputed = payment
    return "applied"


def fail_payment(world: World, command: Any) -> str:
    """Only an open purchase fails."""
    purchase = _purchase(world, command.purchase_id)
    if purchase.status == "started":
        purchase.status = "failed"
        return "applied"
    return "duplicate" if purchase.status == "failed" else "stale"


def expire_purchase(world: World, command: Any) -> None:
    """Nobody paid within its time; what is disputed stays open."""
    purchase = world.purchases.get(command.purchase_id)
    is_open = purchase and purchase.status == "started" and purchase.disputed is None
    if purchase and is_open and world.now > purchase.expires:
        purchase.status = "expired"


def refund_payment(world: World, command: Any) -> str:
    """Takes back what paid tokens the buyer has, up to the purchase's; the rest is goodwill's."""
    purchase = world.purchases.get(command.purchase_id)
    if purchase is None or purchase.buyer != command.user_id:
        refuse("purchase_not_found")
    key = command.payment_key
    is_of_dispute = key == purchase.disputed and key != purchase.payment
    if purchase.status == "refunded" and not is_of_dispute:
        return "duplicate"
    if is_of_dispute:
        purchase.disputed = None
        if purchase.payment is None:
            purchase.status, purchase.payment = "refunded", key
        return "applied"
    is_whole = (command.amount_cents, command.currency) == (purchase.cents, "USD")
    if not is_whole or purchase.payment not in (None, key):
        return _dispute(purchase, key)
    if purchase.payment is not None:
        _take_back(world, purchase)
    purchase.status, purchase.payment = "refunded", key
    if key == purchase.disputed:
        purchase.disputed = None
    return "applied"


def _take_back(world: World, purchase: Purchase) -> None:
    have = world.purse.colours(wallet(purchase.buyer)).get("paid", 0)
    taken = min(purchase.tokens, have)
    world.purse.move("paid", taken, wallet(purchase.buyer), ISSUANCE)
    world.purse.move("paid", purchase.tokens - taken, GOODWILL, ISSUANCE)
    purchase.unissued = purchase.tokens


def claim(world: World, command: Any) -> None:
    """Cleared earnings go to the artist's own wallet, promo first."""
    account = artist(command.artist_id, "earned")
    have = world.purse.colours(account)
    colours = ["promo", "paid"] if command.colour is None else [command.colour]
    usable = sum(have.get(colour, 0) for colour in colours)
    wanted = command.amount
    if wanted is None:
        wanted = min(usable, MOST_TOKENS)
        if not wanted:
            refuse("insufficient_earnings", required=1, available=0)
    check_amount(wanted)
    if usable < wanted:
        refuse("insufficient_earnings", required=wanted, available=usable)
    for colour in colours:
        taken = min(have.get(colour, 0), wanted)
        world.purse.move(colour, taken, account, wallet(command.artist_id))
        wanted -= taken


def request_payout(world: World, command: Any) -> None:
    """Only paid earnings can be paid out."""
    check_amount(command.amount)
    account = artist(command.artist_id, "earned")
    have = world.purse.colours(account).get("paid", 0)
    if have < command.amount:
        refuse("insufficient_earnings", required=command.amount, available=have)
    world.purse.move("paid", command.amount, account, artist(command.artist_id, "payout"))
    world.payouts[command.payout_id] = Payout(command.artist_id, command.amount)


def pay_payout(world: World, command: Any) -> None:
    """The money was sent."""
    payout = _open_payout(world, command.payout_id)
    payout.status = "paid"
    world.purse.move("paid", payout.amount, artist(payout.artist, "payout"), PAID_OUT)


def return_payout(world: World, command: Any) -> None:
    """The money was not sent."""
    payout = _open_payout(world, command.payout_id)
    payout.status = "returned"
    giver, taker = artist(payout.artist, "payout"), artist(payout.artist, "earned")
    world.purse.move("paid", payout.amount, giver, taker)


def _open_payout(world: World, payout_id: UUID) -> Payout:
    payout = world.payouts.get(payout_id) or refuse("payout_not_found")
    if payout.status != "requested":
        refuse("payout_closed")
    return payout
