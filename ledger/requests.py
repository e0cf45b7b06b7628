"""What people ask for, by REST or by queue: the same fields, the same commands, one fingerprint.

A request was decoded from JSON; every field is hostile until a serializer here has taken it.
"""

import hashlib
import json
import re
import secrets
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from rest_framework import serializers

from core.fields import ParagraphField, StrictCharField, StrictIntegerField, StrictUUIDField
from core.ids import new_id, new_job_id, task_id
from core.models import Role, User
from core.refusals import ENGLISH
from core.sealing import seal
from ledger.domain import money
from ledger.domain.errors import UnknownGeneration
from ledger.domain.events import Sealed
from ledger.domain.generation import (
    MAX_SEED,
    MAX_STEPS,
    SIZES,
    RequestGeneration,
    generation_stream,
)
from ledger.domain.wallet import GrantTokens, TransferTokens
from ledger.orders import Accepted
from ledger.states import fold

KEY_FORM = re.compile(r"[\x21-\x7e]{1,255}")  # of an idempotency key
HOLDERS = frozenset({Role.USER, Role.ARTIST})  # those who have a wallet
MAX_PROMPT_CHARACTERS = 2_000
UNKNOWN_COLOUR = "Tokens are paid, promo, or promo with a last day."

Given = Mapping[str, Any]


class TokensField(StrictIntegerField):
    """An amount of tokens, within what one movement may have."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"min_value": 1, "max_value": money.MAX_AMOUNT} | kwargs)


class TransferRequestSerializer(serializers.Serializer[Any]):
    recipient_id = StrictUUIDField()
    amount = TokensField()
    memo = ParagraphField(max_length=500, allow_blank=True, default="")


class GrantRequestSerializer(serializers.Serializer[Any]):
    user_id = StrictUUIDField()
    amount = TokensField()
    colour = StrictCharField(max_length=16, default=money.PROMO)
    reason = serializers.RegexField(r"^[a-z][a-z0-9_]{0,49}\Z", default="grant")
    memo = ParagraphField(max_length=500, allow_blank=True, default="")

    def validate_colour(self, colour: str) -> str:
        """Return the colour, or raise `unknown_colour`."""
        if not money.is_colour(colour):
            raise serializers.ValidationError(UNKNOWN_COLOUR, code="unknown_colour")
        return colour


class ParametersSerializer(serializers.Serializer[Any]):
    size = serializers.ChoiceField(SIZES, required=False)
    steps = StrictIntegerField(min_value=1, max_value=MAX_STEPS, required=False)
    seed = StrictIntegerField(
        min_value=0, max_value=MAX_SEED, required=False, help_text="Drawn when it is left out."
    )

    def to_internal_value(self, data: Any) -> Any:
        """Return the parameters; a misspelt one is refused, since its order would be paid."""
        refuse_unknown(self, data)
        return super().to_internal_value(data)


class GenerationRequestSerializer(serializers.Serializer[Any]):
    style_id = StrictUUIDField()
    prompt = StrictCharField(max_length=MAX_PROMPT_CHARACTERS)
    parameters = ParametersSerializer(default=dict)
    expected_price = TokensField(
        default=None, allow_null=True, help_text="What the payer was shown; else 409."
    )


class RetryRequestSerializer(serializers.Serializer[Any]):
    expected_price = TokensField(
        default=None, allow_null=True, help_text="What the payer was shown; else 409."
    )


def refuse_unknown(serializer: "serializers.Serializer[Any]", data: Any) -> None:
    """Raise `unknown_field` for each field of an object that `serializer` does not know."""
    unknown = sorted(set(data) - set(serializer.fields)) if isinstance(data, Mapping) else []
    if unknown:
        fault = serializers.ErrorDetail(ENGLISH["unknown_field"], code="unknown_field")
        raise serializers.ValidationError({name: [fault] for name in unknown})


def fingerprint(route: str, body: Any) -> str:
    """Return the SHA-256 over the route and the body: the same request, the same text (G7).

    `route` is REST's, such as `POST /api/tokens/transfers`, whichever way the request came; the
    order of keys and the white space of JSON do not count.
    """
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{route}\n{canonical}".encode()).hexdigest()


def correlation(name: str | None) -> UUID | None:
    """Return a request's id where it has the form of a UUID, as those that we draw have."""
    try:
        return UUID(name or "")
    except ValueError:
        return None


def wallets(user_ids: Iterable[UUID]) -> frozenset[UUID]:
    """Return those of the ids that are active accounts with a wallet.

    The door refuses without one, so that a repetition gets the first answer (G7).
    """
    wanted = set(user_ids)
    found = User.objects.filter(id__in=wanted, is_active=True, role__in=HOLDERS)
    return frozenset(found.values_list("id", flat=True) if wanted else ())


def transfer(user_id: UUID, given: Given, *, has_wallet: bool) -> TransferTokens:
    """Return the transfer that `user_id` asks for."""
    return TransferTokens(
        transfer_id=new_id(user_id),
        user_id=user_id,
        recipient_id=given["recipient_id"],
        amount=given["amount"],
        memo=_memo(user_id, given["memo"]),
        has_wallet=has_wallet,
    )


def grant(operator_id: UUID, given: Given, *, has_wallet: bool) -> GrantTokens:
    """Return the grant that an operator asks for."""
    return GrantTokens(
        grant_id=new_id(operator_id),  # in the operator's shard, where the key is remembered
        user_id=given["user_id"],
        amount=given["amount"],
        colour=given["colour"],
        reason=given["reason"],
        memo=_memo(given["user_id"], given["memo"]) if has_wallet else None,
        has_wallet=has_wallet,
    )


def picture(user_id: UUID, given: Given) -> RequestGeneration:
    """Return the order of a picture; its seed is drawn where none was given."""
    generation_id = new_job_id(user_id)
    return RequestGeneration(
        generation_id=generation_id,
        user_id=user_id,
        style_id=given["style_id"],
        task_id=task_id(generation_id, 1),
        prompt=Sealed(*seal(user_id, given["prompt"])),
        expected_price=given["expected_price"],
        **{"seed": secrets.randbelow(MAX_SEED + 1)} | given["parameters"],
    )


def retry(user_id: UUID, generation_id: UUID, given: Given) -> RequestGeneration:
    """Return the order of the same picture once more; raises UnknownGeneration unless one's own."""
    state = fold(generation_stream(generation_id))[0].state
    if state is None or state.request.user_id != user_id:
        raise UnknownGeneration
    new_id, old = new_job_id(user_id), state.request
    return RequestGeneration(
        generation_id=new_id,
        user_id=user_id,
        style_id=old.style_id,
        task_id=task_id(new_id, 1),
        prompt=old.prompt,
        seed=old.seed,
        size=old.size,
        steps=old.steps,
        expected_price=given["expected_price"],
        retry_of=generation_id,
    )


def moved(accepted: Accepted) -> dict[str, Any]:
    """Return an accepted transfer or grant as it is shown."""
    event = accepted.state.event
    recipient = {"recipient_id": event.recipient_id} if hasattr(event, "recipient_id") else {}
    return {
        "id": UUID(accepted.stream[-36:]),
        "user_id": event.user_id,
        **recipient,
        "amount": event.amount,
        "colour": getattr(event, "colour", money.PAID),
        "created_at": accepted.state.moved_at,
    }


def _memo(user_id: UUID, text: str) -> Sealed | None:
    return Sealed(*seal(user_id, text)) if text else None
