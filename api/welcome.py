"""The welcome grant: sent after a sign-up committed, and again, harmlessly, at each login."""

from hashlib import sha256

import structlog
from django.conf import settings

from core.ids import new_id
from core.models import Role, User
from ledger.domain.money import PROMO
from ledger.domain.wallet import WELCOME, GrantTokens
from ledger.handlers import handle
from ledger.orders import Context, Key, Order, Position, Refused

log = structlog.get_logger(__name__)


def grant_welcome(user: User) -> list[Position]:
    """Grant the welcome tokens once per person; return the grant's position.

    What the door refuses now (it may be busy) is granted at the next login.
    """
    if user.role not in {Role.USER, Role.ARTIST} or not settings.WELCOME_GRANT_TOKENS:
        return []
    (result,) = handle([_order(user)])
    if isinstance(result, Refused):
        log.warning("welcome_grant_refused", user_id=user.id, code=result.error.code)
        return []
    return [result.position] if result.position else []


def _order(user: User) -> Order:
    """Return the same order for the same person, but for the id that only the first one uses."""
    command = GrantTokens(
        grant_id=new_id(user.id),
        user_id=user.id,
        amount=settings.WELCOME_GRANT_TOKENS,
        colour=PROMO,
        reason=WELCOME,
    )
    name = f"welcome:{user.id}"
    fingerprint = sha256(name.encode()).hexdigest()
    key = Key(scope=WELCOME, key=name, fingerprint=fingerprint)
    return Order(command, Context(actor="system", key=key))
