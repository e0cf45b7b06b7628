"""Accounts as the API sees them: names, uniqueness without regard to case, what is shown."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import IntegrityError
from django.db.models import Value
from django.db.models.functions import Lower
from rest_framework import serializers

from api.errors import FieldProblem
from core.fields import StrictCharField
from core.models import User

_USERNAME = re.compile(r"[\w.+-]+")  # letters of any script; no @, so that it is no address
_UNIQUE = {"user_username_is_unique": "username", "user_email_is_unique": "email"}


class UsernameField(StrictCharField):
    """1 to 150 letters and digits of any script, and `_ . + -`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": 150} | kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Return the name, or raise `invalid_username`."""
        name = super().to_internal_value(data)
        if not _USERNAME.fullmatch(name):
            self.refuse("invalid_username")
        return name


class EmailField(serializers.EmailField, StrictCharField):
    """An e-mail address."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": 254} | kwargs)


class AccountSerializer(serializers.ModelSerializer[User]):
    """One's own account."""

    class Meta:
        model = User
        fields = ["id", "username", "email", "role", "artist_name", "created_at"]
        read_only_fields = fields


class PublicAccountSerializer(serializers.ModelSerializer[User]):
    """What others see of an account."""

    class Meta:
        model = User
        fields = ["id", "username", "role", "artist_name", "created_at"]
        read_only_fields = fields


def named(name: str) -> User | None:
    """Return the active account with this user name or e-mail address, whatever its case."""
    field = "email" if "@" in name else "username"
    accounts = User.objects.alias(lowered=Lower(field))
    return accounts.filter(lowered=Lower(Value(name)), is_active=True).first()


@contextmanager
def unique_names() -> Iterator[None]:
    """Turn the database's refusal of a name that is taken into a 422 about its field."""
    try:
        yield
    except IntegrityError as refused:
        diagnosis = getattr(refused.__cause__, "diag", None)
        field = _UNIQUE.get(getattr(diagnosis, "constraint_name", ""))
        if field is None:
            raise
        raise FieldProblem(field, "taken") from None


def check_password(password: str, user: User) -> None:
    """Raise a field error for a password that is short, common or like the user's names."""
    try:
        validate_password(password, user)
    except DjangoValidationError as weak:
        faults = [
            {"code": str(error.code), "message": error.messages[0]} for error in weak.error_list
        ]
        raise FieldProblem("password", *faults) from None
