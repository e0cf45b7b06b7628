"""Which accounts somebody asks for: one by its name, or all of a user."""

import re
from uuid import UUID

from audit.errors import UsageError
from core.models import User
from ledger.domain import money

PLATFORM = (money.ISSUANCE, money.REVENUE, money.GOODWILL, money.EXPIRED, money.PAID_OUT)

_ACCOUNT = re.compile(r"(user/[0-9a-f-]{36}/(available|held)|artist/[0-9a-f-]{36}/\w+)", re.ASCII)


def accounts_of(text: str) -> list[str]:
    """Return the accounts that `text` names: an account, a user's id, or a user's name.

    Raises UsageError when it names none.
    """
    if text in PLATFORM or _ACCOUNT.fullmatch(text):
        return [text]
    user_id = _user_id(text)
    return [
        money.available(user_id),
        money.held(user_id),
        money.pending(user_id),
        money.earned(user_id),
        money.payout(user_id),
    ]


def _user_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        user = User.objects.filter(username__iexact=text).first() if text else None
    if user is None:
        raise UsageError(f"{text!r} is neither an account nor a user.")
    return user.id
