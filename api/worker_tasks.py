"""`/api/worker/tasks/`: the embedded queue's door for workers, by long poll (design section 9)."""

import json
import threading
from collections.abc import Sequence
from typing import Any

import structlog
from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.errors import Problem
from api.messages import message
from api.threads import CLIENT_GONE
from api.worker_auth import IsWorker, WorkerSignature, worker_of
from api.workers import JobTypesField
from core import queue
from core.fields import StrictCharField, StrictIntegerField, StrictUUIDField
from core.workers import task_queue

MAX_WAIT_SECONDS = 20
# A waiting poll holds a thread and its connection: half of them are left for everybody else.
_seats = threading.BoundedSemaphore(max(1, settings.WEB_THREADS // 2))
log = structlog.get_logger(__name__)


class PollSerializer(serializers.Serializer[Any]):
    job_types = JobTypesField()
    wait_seconds = StrictIntegerField(min_value=0, max_value=MAX_WAIT_SECONDS, default=0)
    claim = StrictUUIDField(required=False, help_text="The claim under which it would start.")
    family = StrictCharField(
        required=False, allow_null=True, default=None, max_length=40,
        help_text="Of the models that the worker paints with, where the server knows families.",
    )  # fmt: skip

    def validate_family(self, value: str | None) -> str | None:
        if value is not None and value not in settings.MODEL_FAMILIES:
            raise serializers.ValidationError(message("unknown_family"), code="unknown_family")
        return value


class TaskSerializer(serializers.Serializer[Any]):
    task = serializers.DictField(allow_null=True, help_text="As on the queue; null: none now.")


class TasksView(APIView):
    """Take one task, waiting up to `wait_seconds` for it.

    It is out of sight of other workers for the queue's lease; once its `started` is accepted it
    is not delivered again. Where too many wait already, the answer comes at once.
    """

    authentication_classes = [WorkerSignature]
    permission_classes = [IsWorker]
    throttle_classes = []

    @extend_schema(request=PollSerializer, responses=TaskSerializer)
    def post(self, request: Request) -> Response:
        asked = PollSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        job_types = sorted(worker_of(request).job_types & set(asked.validated_data["job_types"]))
        if not job_types:
            raise Problem(403, "job_type_not_allowed")
        gone = request.META.get(CLIENT_GONE)
        queues = [task_queue(one, asked.validated_data["family"]) for one in job_types]
        return Response({"task": _take(queues, asked.validated_data["wait_seconds"], gone)})


def _take(queues: Sequence[str], wait_seconds: int, gone: threading.Event | None) -> Any:
    has_seat = _seats.acquire(blocking=False)
    try:
        taken = queue.take(queues, wait_seconds=wait_seconds if has_seat else 0, until=gone)
    finally:
        if has_seat:
            _seats.release()
    return _task(taken[0]) if taken else None


def _task(taken: queue.Taken) -> Any:
    """Return the message's body; what is no JSON was not made by us and goes to the dead."""
    try:
        return json.loads(taken.body)
    except ValueError:
        log.error("task_is_no_json", queue=taken.queue, message_id=taken.id)
        queue.dead_letter(taken.queue, taken.id, reason="malformed", receipt=taken.receipt)
        return None
