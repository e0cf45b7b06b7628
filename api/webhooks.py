"""`/api/webhooks/{training|generation}/...`: what workers report about their tasks (section 9)."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import Http404
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.errors import Problem
from api.positions import add_positions
from api.worker_auth import IsWorker, WorkerSignature, worker_of
from core.queue import ack
from core.workers import task_queue
from ledger.callbacks import ACTIONS, Answer, receive
from ledger.domain.change import Disposition

# A job type is also the name of the queue that its tasks wait in.
JOB_TYPES = {"training": "model_training", "generation": "image_generation"}
REJECTED = "rejected"
_OVER = frozenset({Disposition.JOB_CLOSED, Disposition.LATE_IGNORED})


# A serializer's own attribute is called `data`, so this one is made without a class.
CALLBACK = inline_serializer(
    name="Callback",
    fields={
        "task_id": serializers.UUIDField(),
        "claim": serializers.UUIDField(help_text="Drawn by the worker for this delivery."),
        "sequence": serializers.IntegerField(help_text="Grows with each callback of a claim."),
        "occurred_at": serializers.DateTimeField(required=False),
        "data": serializers.DictField(help_text="What is reported: see the design, section 9."),
    },
)


class AnswerSerializer(serializers.Serializer[Any]):
    status = serializers.CharField()
    disposition = serializers.ChoiceField([*(one.value for one in Disposition), REJECTED])
    cancel = serializers.BooleanField(help_text="Nobody wants the result any more: stop.")
    code = serializers.CharField(required=False, help_text="Why a result was rejected.")
    checkpoint = serializers.CharField(
        required=False, help_text="Of the checkpoint that came along: kept or rejected."
    )


class CallbackView(APIView):
    """One report of a worker about one task; progress may also be PATCHed."""

    authentication_classes = [WorkerSignature]
    permission_classes = [IsWorker]
    throttle_classes = []

    @extend_schema(request=CALLBACK, responses=AnswerSerializer)
    def post(self, request: Request, kind: str, action: str) -> Response:
        return _receive(request, kind, action)

    @extend_schema(request=CALLBACK, responses=AnswerSerializer)
    def patch(self, request: Request, kind: str, action: str) -> Response:
        if action != "progress":
            raise MethodNotAllowed("PATCH")
        return _receive(request, kind, action)


def _receive(request: Request, kind: str, action: str) -> Response:
    worker = worker_of(request)
    if kind not in JOB_TYPES or action not in ACTIONS:
        raise Http404
    if JOB_TYPES[kind] not in worker.job_types:
        raise Problem(403, "job_type_not_allowed")
    body: Any = request.data
    answer = receive(
        kind=kind,
        action=action,
        body=body,
        sender=worker.sender,
        callback_id=worker.message_id,
    )
    if _needs_no_delivery(action, answer):
        queues = (task_queue(JOB_TYPES[kind], one) for one in (None, *settings.MODEL_FAMILIES))
        ack(*queues, message_id=str(UUID(body["task_id"])))
    response = Response(answer.as_json())
    add_positions(response, [answer.position] if answer.position else [])
    return response


def _needs_no_delivery(action: str, answer: Answer) -> bool:
    """Return whether the task's message has done its work: it was started, or it is too late.

    Also a `stale` start: the task is in the hands of another claim, whose lease is in the book.
    """
    return action == "started" or answer.disposition in _OVER
