"""What can be done about a generation once it is ordered: cancel, order again, refund."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.authentication import person
from api.door import answered, send
from api.generations import GenerationSerializer, own_generation, requested
from api.idempotency import idempotency_key
from api.maintenance import refuse_during_maintenance
from api.permissions import IsOperator, IsUser
from api.throttling import Orders, PerCaller
from core.fields import StrictCharField
from core.ids import successor_job_id, task_id
from core.images.results import MAX_RESULT_BYTES
from core.sealing import PersonErased, seal
from core.storage import ObjectMissing, store
from ledger.book import read
from ledger.domain.cancel import CancelGeneration, preview
from ledger.domain.errors import LateResultGone, UnknownGeneration
from ledger.domain.events import Sealed
from ledger.domain.generation import generation_stream
from ledger.domain.late import AcceptLateResult, acceptable
from ledger.domain.refund import RefundGeneration
from ledger.objects import picture_key
from ledger.orders import Accepted
from ledger.requests import RetryRequestSerializer, retry
from ledger.states import fold
from projections.generations import Generation, GenerationsProjector
from projections.jobs import job_of
from projections.shown import render

MAX_NOTE_CHARACTERS = 1_000


class CancelPreviewSerializer(serializers.Serializer[Any]):
    is_cancelable = serializers.BooleanField()
    is_immediate = serializers.BooleanField(help_text="False: the worker is asked to stop.")
    released = serializers.IntegerField(help_text="Tokens that come back at once.")
    at_stake = serializers.IntegerField(
        help_text="Tokens that come back unless the result arrives first."
    )


class RefundRequestSerializer(serializers.Serializer[Any]):
    reason = serializers.RegexField(r"^[a-z][a-z0-9_]{0,63}\Z", help_text="A code.")
    note = StrictCharField(
        max_length=MAX_NOTE_CHARACTERS, default="", allow_blank=True, help_text="For the payer."
    )


class CancelView(APIView):
    """Cancel one's own: a waiting job ends at once, the worker of a running one is asked to."""

    permission_classes = [IsUser]

    @extend_schema(request=None, responses=GenerationSerializer)
    def post(self, request: Request, generation_id: UUID) -> Response:
        command = CancelGeneration(generation_id=generation_id, user_id=person(request).id)
        return _as_it_stands(send(request, command, key_required=False))


class CancelPreviewView(APIView):
    """What a cancel would do now; changes nothing."""

    permission_classes = [IsUser]

    @extend_schema(responses=CancelPreviewSerializer)
    def get(self, request: Request, generation_id: UUID) -> Response:
        own_generation(request, generation_id)
        job = fold(generation_stream(generation_id))[0].state.job
        return Response(asdict(preview(job)))


class RetryView(APIView):
    """Order a failed or expired one of one's own again, at the price of today."""

    permission_classes = [IsUser]
    throttle_classes = [PerCaller, Orders]

    @extend_schema(request=RetryRequestSerializer, responses={201: GenerationSerializer})
    def post(self, request: Request, generation_id: UUID) -> Response:
        refuse_during_maintenance()
        idempotency_key(request)  # a missing key is told before any field
        asked = RetryRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        command = retry(person(request).id, generation_id, asked.validated_data)
        accepted = send(request, command)
        return answered(accepted, render([requested(accepted)], places={})[0], status=201)


class AcceptLateView(APIView):
    """Take a late picture of a failed or expired one after all: a new one, paid at once."""

    permission_classes = [IsUser]

    @extend_schema(request=None, responses={201: GenerationSerializer})
    def post(self, request: Request, generation_id: UUID) -> Response:
        idempotency_key(request)  # a missing key is told before anything is looked up
        user_id, new_id = person(request).id, successor_job_id(generation_id)
        old = fold(generation_stream(generation_id))[0].state
        late = acceptable(old, user_id=user_id, now=timezone.now())
        command = AcceptLateResult(
            generation_id=new_id,
            late_of=generation_id,
            user_id=user_id,
            task_id=task_id(new_id, 1),
            key=picture_key(new_id, late.sha256),
            sha256=late.sha256,
        )
        try:
            picture = store().read(late.key, MAX_RESULT_BYTES)
        except ObjectMissing:
            raise LateResultGone from None
        store().keep(command.key, picture, late.content_type)
        return _as_it_stands(send(request, command), status=201)


class RefundView(APIView):
    """Give the whole price of anyone's picture back, once."""

    permission_classes = [IsOperator]

    @extend_schema(request=RefundRequestSerializer, responses=GenerationSerializer)
    def post(self, request: Request, generation_id: UUID) -> Response:
        idempotency_key(request)  # a missing key is told before any field
        asked = RefundRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        row = _generation(generation_id)
        if row is None:
            raise UnknownGeneration
        command = RefundGeneration(
            generation_id=generation_id,
            reason=asked.validated_data["reason"],
            note=_sealed(row.user_id, asked.validated_data["note"]),
        )
        return _as_it_stands(send(request, command))


def _sealed(user_id: UUID, note: str) -> Sealed | None:
    """Return the note sealed for the payer; nothing is kept of a person who was erased."""
    try:
        return Sealed(*seal(user_id, note)) if note else None
    except PersonErased:
        return None


def _generation(generation_id: UUID) -> Generation | None:
    return job_of(GenerationsProjector, read.stream(generation_stream(generation_id)))


def _as_it_stands(accepted: Accepted, *, status: int = 200) -> Response:
    """Answer with the generation as the book has it at the version of the answer."""
    rows = read.stream(accepted.stream, through_version=accepted.version)
    row = job_of(GenerationsProjector, rows)
    return answered(accepted, render([row] if row else [], places={})[0], status=status)
