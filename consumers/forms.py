"""A message of `ledger.commands` as a request: which command, in whose name, with which fields.

Every command is one that REST has too, with its fields, its roles and its fingerprint, so that
a request which is repeated the other way gets its first answer (G7).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from rest_framework import serializers

from consumers.broker import Message
from consumers.senders import Sender
from core import traces
from core.fields import StrictUUIDField
from core.models import Role
from core.refusals import ENGLISH, field_errors
from core.strict_json import NotJson, TooDeep, decoded
from ledger import requests
from ledger.book import read
from ledger.commands import Command
from ledger.domain.cancel import CancelGeneration
from ledger.orders import Accepted, Context, Key
from ledger.requests import (
    HOLDERS,
    KEY_FORM,
    GenerationRequestSerializer,
    Given,
    GrantRequestSerializer,
    RetryRequestSerializer,
    TransferRequestSerializer,
    correlation,
    moved,
    refuse_unknown,
)
from projections.generations import GenerationsProjector
from projections.jobs import job_of
from projections.shown import render

VERSION = 1
OPERATORS = frozenset({Role.OPERATOR})
# Why a message is no request, as its dead letter says: (status of the answer, English).
REASONS: dict[str, tuple[int, str]] = {
    "another_actor": (403, "The message names another actor than the one who sent it."),
    "future_version": (422, "This version of the message is not known yet."),
    "invalid_fields": (422, ENGLISH["invalid_fields"]),
    "invalid_id": (400, "A message's id must be 1 to 255 visible ASCII characters."),
    "json_too_deep": (400, ENGLISH["json_too_deep"]),
    "malformed_command": (400, "The body is no object with a version."),
    "malformed_json": (400, ENGLISH["malformed_json"]),
    "no_id": (400, "A message needs an id."),
    "operator_only": (403, ENGLISH["operator_only"]),
    "scope_missing": (403, ENGLISH["scope_missing"]),
    "unknown_field": (422, ENGLISH["unknown_field"]),
    "unknown_type": (422, "There is no command of this type."),
    "user_only": (403, ENGLISH["user_only"]),
}


class Unfit(Exception):
    """The message is no request that may be carried out; `reason` is one of REASONS."""

    def __init__(self, reason: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.details = details or {}


class GenerationSerializer(serializers.Serializer[Any]):
    generation_id = StrictUUIDField()


class RetrySerializer(RetryRequestSerializer):
    generation_id = StrictUUIDField()


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """What a command needs: its REST route, its fields, its roles, and how it is built and shown.

    `{generation_id}` in the route is a field of the message. `payee` is the field that names whose
    wallet must exist. What `begins_a_job` waits for the end of a maintenance. One serializer serves
    all messages: making one costs more than what it does.
    """

    route: str
    fields: serializers.Serializer[Any]
    roles: frozenset[str] = HOLDERS
    build: Callable[[UUID, Given, bool], Command]
    show: Callable[[Accepted], Mapping[str, Any]]
    status: int = 201
    payee: str = ""
    begins_a_job: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One request that was understood; `fields` are valid by themselves, no rule was asked yet."""

    form: Form
    user_id: UUID
    fields: Given
    context: Context
    payee: UUID | None = None

    def command(self, *, has_wallet: bool) -> Command:
        """Return the command; raises RuleBroken where it is about a thing that is not there."""
        return self.form.build(self.user_id, self.fields, has_wallet)


def understood(message: Message, sender: Sender) -> Request:
    """Return what `sender` asks for. Raises Unfit."""
    form = _form(message.type, sender)
    if not KEY_FORM.fullmatch(message.id):
        raise Unfit("invalid_id" if message.id else "no_id")
    body = _body(message, sender)
    fields = _fields(form, body)
    actor, rest = f"user/{sender.user.id}", dict(body)
    in_path = {name: str(fields[name]) for name in ("generation_id",) if name in fields}
    for name in in_path:
        del rest[name]
    asked = requests.fingerprint(form.route.format(**in_path), rest)
    return Request(
        form=form,
        user_id=sender.user.id,
        fields=fields,
        context=Context(
            actor=actor,
            key=Key(scope=actor, key=message.id, fingerprint=asked),
            correlation_id=correlation(message.id),
            traceparent=traces.accepted(message.headers.get(traces.HEADER)),
        ),
        payee=fields[form.payee] if form.payee else None,
    )


def _form(type_: str, sender: Sender) -> Form:
    form = FORMS.get(type_)
    if form is None:
        raise Unfit("unknown_type")
    if sender.user.role not in form.roles:
        raise Unfit("operator_only" if form.roles is OPERATORS else "user_only")
    if not sender.may_write:
        raise Unfit("scope_missing", {"scope": "write"})
    return form


def _body(message: Message, sender: Sender) -> dict[str, Any]:
    """Return the fields of the command, without what every message has."""
    try:
        body = decoded(message.body)
    except NotJson:
        raise Unfit("malformed_json") from None
    except TooDeep:
        raise Unfit("json_too_deep") from None
    version = body.get("version") if isinstance(body, dict) else None
    if type(version) is not int or version < VERSION:
        raise Unfit("malformed_command")
    if version > VERSION:
        raise Unfit("future_version", {"known": VERSION})
    if body.get("actor", f"user/{sender.user.id}") != f"user/{sender.user.id}":
        raise Unfit("another_actor")
    return {name: value for name, value in body.items() if name not in ("version", "actor")}


def _fields(form: Form, body: dict[str, Any]) -> Given:
    try:
        refuse_unknown(form.fields, body)
    except serializers.ValidationError as unknown:
        raise Unfit("unknown_field", field_errors(unknown.get_full_details())) from None
    try:
        given: Given = form.fields.run_validation(body)
    except serializers.ValidationError as invalid:
        raise Unfit("invalid_fields", field_errors(invalid.get_full_details())) from None
    return given


def _generation(accepted: Accepted) -> Mapping[str, Any]:
    """Return the generation as the book has it at the version of the answer."""
    rows = read.stream(accepted.stream, through_version=accepted.version)
    row = job_of(GenerationsProjector, rows)
    return render([row] if row else [], places={})[0]


FORMS: dict[str, Form] = {
    "tokens.transfer": Form(
        route="POST /api/tokens/transfers",
        fields=TransferRequestSerializer(),
        build=lambda user, given, has: requests.transfer(user, given, has_wallet=has),
        show=moved,
        payee="recipient_id",
    ),
    "tokens.grant": Form(
        route="POST /api/tokens/grants",
        fields=GrantRequestSerializer(),
        roles=OPERATORS,
        build=lambda user, given, has: requests.grant(user, given, has_wallet=has),
        show=moved,
        payee="user_id",
    ),
    "generation.request": Form(
        route="POST /api/generations",
        fields=GenerationRequestSerializer(),
        build=lambda user, given, _: requests.picture(user, given),
        show=_generation,
        begins_a_job=True,
    ),
    "generation.retry": Form(
        route="POST /api/generations/{generation_id}/retry",
        fields=RetrySerializer(),
        build=lambda user, given, _: requests.retry(user, given["generation_id"], given),
        show=_generation,
        begins_a_job=True,
    ),
    "generation.cancel": Form(
        route="POST /api/generations/{generation_id}/cancel",
        fields=GenerationSerializer(),
        build=lambda user, given, _: CancelGeneration(
            generation_id=given["generation_id"], user_id=user
        ),
        show=_generation,
        status=200,
    ),
}
