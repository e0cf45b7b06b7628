"""From a request to the ledger's one door and back: context, refusal, headers of the answer.

A view validates, builds one command, and returns `answered(send(request, command), {...})`.
"""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from api.authentication import person
from api.errors import Problem
from api.idempotency import fingerprint, idempotency_key, mark_replayed
from api.positions import add_positions
from core import traces
from core.logs import request_id
from ledger.commands import Command
from ledger.handlers import handle
from ledger.orders import Accepted, Context, Key, Order, Refused
from ledger.requests import correlation


def send(request: Request, command: Command, *, key_required: bool = True) -> Accepted:
    """Send one command in the name of the person who asks, and return what was accepted.

    Raises the broken rule as a Problem, 400 for a missing or malformed Idempotency-Key.
    """
    order = Order(command, context_of(request, key_required=key_required))
    (result,) = handle([order])
    if isinstance(result, Refused):
        raise Problem.of_rule(result.error, is_replayed=result.replayed)
    return result


def context_of(request: Request, *, key_required: bool = True) -> Context:
    """Return who orders and as which request, for one command or for a batch of them."""
    actor = f"user/{person(request).id}"
    given = idempotency_key(request, required=key_required)
    key = Key(scope=actor, key=given, fingerprint=fingerprint(request)) if given else None
    return Context(
        actor=actor,
        key=key,
        correlation_id=correlation(request_id()),
        traceparent=traces.current(),
    )


def answered(accepted: Accepted, data: Any, *, status: int = 200) -> Response:
    """Return the answer to an accepted command, with its position, marked if it is a replay."""
    response = Response(data, status=status)
    add_positions(response, [accepted.position] if accepted.position else [])
    if accepted.replayed:
        mark_replayed(response)
    return response
