"""Purchases: a package, its payment as the provider reports it, and the tokens it issues."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from ledger.domain import money
from ledger.domain.change import Change, Decision, Disposition, applied, unchanged
from ledger.domain.errors import IdTaken, UnknownPackage, UnknownPurchase
from ledger.domain.events import (
    AccountFlagged,
    Event,
    PurchaseDisputed,
    PurchaseExpired,
    PurchaseFailed,
    PurchasePaid,
    PurchaseRefunded,
    PurchaseStarted,
    TokensIssued,
    TokensUnissued,
)
from ledger.domain.money import PAID, Entry
from ledger.domain.terms import Terms


class PurchaseStatus(StrEnum):
    """Where a purchase stands; a dispute is beside it, since a paid one can have one too."""

    STARTED = "started"
    PAID = "paid"
    FAILED = "failed"
    EXPIRED = "expired"
    REFUNDED = "refunded"


@dataclass(frozen=True, kw_only=True, slots=True)
class PurchaseState:
    """A purchase, folded from its stream."""

    start: PurchaseStarted
    started_at: datetime
    paid_at: datetime | None = None
    status: PurchaseStatus = PurchaseStatus.STARTED
    payment_key: str | None = None
    disputed_key: str | None = None  # the payment that is disputed and not refunded yet
    is_disputed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class PurchaseCommand:
    """A command for one purchase."""

    purchase_id: UUID

    @property
    def stream(self) -> str:
        """The purchase's stream."""
        return purchase_stream(self.purchase_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class StartPurchase(PurchaseCommand):
    """Buy a package at the price of the server's own table."""

    user_id: UUID
    package: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfirmPayment(PurchaseCommand):
    """The provider reports, verified, that this was paid; money is in cents."""

    payment_key: str
    amount_cents: int
    currency: str


@dataclass(frozen=True, kw_only=True, slots=True)
class FailPayment(PurchaseCommand):
    """The provider reports, verified, that the payment failed; `code` says why."""

    payment_key: str
    code: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RefundPayment(PurchaseCommand):
    """The provider reports, verified, that money went back; `user_id` is the buyer.

    `reason` is `refund` or `chargeback`; money is in cents.
    """

    user_id: UUID
    payment_key: str
    amount_cents: int
    currency: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ExpirePurchase(PurchaseCommand):
    """Nobody paid in time: the timer's command."""


def account_stream(user_id: UUID) -> str:
    """Return the stream of a person's account."""
    return f"account-{user_id}"


def purchase_stream(purchase_id: UUID) -> str:
    """Return the stream of a purchase."""
    return f"purchase-{purchase_id}"


def evolve(state: PurchaseState | None, event: Event, at: datetime) -> PurchaseState | None:
    """Return the purchase after `event`, which occurred `at`."""
    if isinstance(event, PurchaseStarted):
        return PurchaseState(start=event, started_at=at)
    if state is None:
        return None
    if isinstance(event, PurchaseDisputed):
        return replace(state, is_disputed=True, disputed_key=event.payment_key)
    if isinstance(event, PurchaseRefunded):
        return _refunded(state, event)
    if isinstance(event, PurchasePaid):
        state = replace(state, payment_key=event.payment_key, paid_at=at)
    return replace(state, status=_STATUS_AFTER.get(type(event), state.status))


_STATUS_AFTER: dict[type[Event], PurchaseStatus] = {
    PurchasePaid: PurchaseStatus.PAID,
    PurchaseFailed: PurchaseStatus.FAILED,
    PurchaseExpired: PurchaseStatus.EXPIRED,
}


def _refunded(state: PurchaseState, event: PurchaseRefunded) -> PurchaseState:
    """Return the purchase after money went back; that of a second payment leaves it paid."""
    if event.payment_key == state.disputed_key:
        state = replace(state, disputed_key=None, is_disputed=False)
    if state.payment_key not in (None, event.payment_key):
        return state
    return replace(state, status=PurchaseStatus.REFUNDED, payment_key=event.payment_key)


def start_purchase(
    command: StartPurchase, *, now: datetime, terms: Terms, purchase: PurchaseState | None
) -> list[Change]:
    """Pin a package and its price. Raises UnknownPackage."""
    if purchase is not None:
        raise IdTaken
    if command.package not in terms.packages:
        raise UnknownPackage
    tokens, price_cents = terms.packages[command.package]
    event = PurchaseStarted(
        user_id=command.user_id,
        package=command.package,
        tokens=tokens,
        price_cents=price_cents,
        currency=terms.currency,
        provider=terms.payment_provider,
        expires_at=now + timedelta(seconds=terms.purchase_expiry_seconds),
    )
    return [Change(command.stream, event)]


def confirm_payment(
    command: ConfirmPayment, *, now: datetime, purchase: PurchaseState | None
) -> Decision:
    """Issue the tokens of a paid purchase once, also when it was over by then.

    Another amount or currency, or a second payment, issues nothing and opens a dispute, once.
    Raises UnknownPurchase.
    """
    if purchase is None:
        raise UnknownPurchase
    if command.payment_key == purchase.payment_key:
        return unchanged(Disposition.DUPLICATE)
    reason = _mismatch(command, purchase)
    if reason is None:
        return applied(*_issue(command, purchase, now=now))
    return _disputed(command, purchase, reason=reason)


def _disputed(
    command: ConfirmPayment | RefundPayment, purchase: PurchaseState, *, reason: str
) -> Decision:
    """Open a dispute, once: nothing is issued or taken back."""
    if purchase.is_disputed:
        return unchanged(Disposition.DUPLICATE)
    dispute = PurchaseDisputed(
        user_id=purchase.start.user_id,
        payment_key=command.payment_key,
        amount_cents=command.amount_cents,
        currency=command.currency,
        reason=reason,
    )
    return applied(Change(command.stream, dispute))


def _mismatch(command: ConfirmPayment, purchase: PurchaseState) -> str | None:
    """Return why this payment is not the one that the purchase waits for."""
    if purchase.payment_key is not None or purchase.status is PurchaseStatus.REFUNDED:
        return "paid_twice"
    if command.currency != purchase.start.currency:
        return "currency_mismatch"
    if command.amount_cents != purchase.start.price_cents:
        return "amount_mismatch"
    return None


def _issue(command: ConfirmPayment, purchase: PurchaseState, *, now: datetime) -> list[Change]:
    start = purchase.start
    is_late = purchase.status is not PurchaseStatus.STARTED or now > start.expires_at
    paid = PurchasePaid(
        user_id=start.user_id,
        payment_key=command.payment_key,
        amount_cents=command.amount_cents,
        currency=command.currency,
        is_late=is_late,
    )
    issued = TokensIssued(user_id=start.user_id, amount=start.tokens, package=start.package)
    entries = (
        Entry(money.ISSUANCE, PAID, -start.tokens),
        Entry(money.available(start.user_id), PAID, start.tokens),
    )
    return [Change(command.stream, paid), Change(command.stream, issued, "issue", entries)]


def fail_payment(command: FailPayment, *, purchase: PurchaseState | None) -> Decision:
    """Close an open purchase whose payment failed. Raises UnknownPurchase."""
    if purchase is None:
        raise UnknownPurchase
    if purchase.status is PurchaseStatus.FAILED:
        return unchanged(Disposition.DUPLICATE)
    if purchase.status is not PurchaseStatus.STARTED:
        return unchanged(Disposition.STALE)
    event = PurchaseFailed(
        user_id=purchase.start.user_id, payment_key=command.payment_key, code=command.code
    )
    return applied(Change(command.stream, event))


def expire_purchase(
    command: ExpirePurchase, *, now: datetime, purchase: PurchaseState | None
) -> list[Change]:
    """Close a purchase that nobody paid in time; a later payment still issues."""
    if purchase is None or purchase.status is not PurchaseStatus.STARTED:
        return []
    if now <= purchase.start.expires_at or purchase.is_disputed:
        return []
    return [Change(command.stream, PurchaseExpired(user_id=purchase.start.user_id))]


def refund_payment(
    command: RefundPayment, *, purchase: PurchaseState | None, available: Mapping[str, int]
) -> Decision:
    """Take the tokens of a refunded payment back as far as the buyer has them; flag the account.

    What is missing comes from goodwill. A payment that issued nothing takes nothing back, and a
    refund that came before its payment keeps that from issuing. Raises UnknownPurchase.
    """
    if purchase is None or purchase.start.user_id != command.user_id:
        raise UnknownPurchase
    is_of_another = command.payment_key != purchase.payment_key
    is_disputed = is_of_another and command.payment_key == purchase.disputed_key
    if purchase.status is PurchaseStatus.REFUNDED and not is_disputed:
        return unchanged(Disposition.DUPLICATE)
    event = PurchaseRefunded(
        user_id=command.user_id,
        payment_key=command.payment_key,
        amount_cents=command.amount_cents,
        currency=command.currency,
        reason=command.reason,
    )
    refunded = Change(command.stream, event)
    if is_disputed:
        return applied(refunded)
    if not _is_of_the_purchase(command, purchase):
        return _disputed(command, purchase, reason="refund_mismatch")
    if purchase.payment_key is None:
        return applied(refunded)
    return applied(refunded, _unissued(command, purchase, available), _flagged(command))


def _is_of_the_purchase(command: RefundPayment, purchase: PurchaseState) -> bool:
    start = purchase.start
    is_whole = (command.amount_cents, command.currency) == (start.price_cents, start.currency)
    return is_whole and purchase.payment_key in (None, command.payment_key)


def _unissued(
    command: RefundPayment, purchase: PurchaseState, available: Mapping[str, int]
) -> Change:
    tokens = purchase.start.tokens
    taken = min(tokens, available.get(PAID, 0))
    event = TokensUnissued(
        user_id=command.user_id, amount=tokens, taken=taken, goodwill=tokens - taken
    )
    givers = ((money.available(command.user_id), taken), (money.GOODWILL, tokens - taken))
    entries = [Entry(account, PAID, -amount) for account, amount in givers if amount]
    entries.append(Entry(money.ISSUANCE, PAID, tokens))
    return Change(command.stream, event, "unissue", tuple(entries))


def _flagged(command: RefundPayment) -> Change:
    event = AccountFlagged(
        user_id=command.user_id, reason=f"purchase_{command.reason}", cause=command.stream
    )
    return Change(account_stream(command.user_id), event)
