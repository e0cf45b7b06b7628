"""`/api/generations/`: pictures ordered, watched and fetched by who pays for them."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.authentication import person
from api.door import answered, send
from api.fields import Fields
from api.idempotency import idempotency_key
from api.jobs import STATUSES, JobSerializer
from api.maintenance import refuse_during_maintenance
from api.pagination import Page, mark_key, mark_of
from api.permissions import Anyone, IsUser, per_method
from api.positions import wait_until_projected
from api.schema import paged
from api.throttling import Orders, PerCaller
from core.fields import StrictUUIDField
from ledger.book import read
from ledger.domain.errors import UnknownGeneration
from ledger.domain.generation import (
    SIZES,
    generation_stream,
)
from ledger.orders import Accepted
from ledger.requests import GenerationRequestSerializer, picture
from projections.generations import (
    GENERATION,
    Generation,
    GenerationsProjector,
    begun,
    generations_of,
)
from projections.jobs import job_of
from projections.reading import Place, places_in_queue
from projections.shown import remaining_seconds, render, render_queue


class ShownParametersSerializer(serializers.Serializer[Any]):
    size = serializers.ChoiceField(SIZES)
    steps = serializers.IntegerField()
    seed = serializers.IntegerField()


class ResultSerializer(serializers.Serializer[Any]):
    url = serializers.CharField(help_text="Signed; expires within an hour.")
    sha256 = serializers.CharField()
    bytes = serializers.IntegerField()
    content_type = serializers.CharField()
    width = serializers.IntegerField()
    height = serializers.IntegerField()


class GenerationSerializer(JobSerializer):
    style_id = serializers.UUIDField()
    artist_id = serializers.UUIDField()
    prompt = serializers.CharField(allow_null=True, help_text="Null once its author was erased.")
    parameters = ShownParametersSerializer()
    model_sha256 = serializers.CharField()
    result = ResultSerializer(allow_null=True)
    retry_of = serializers.UUIDField(allow_null=True)
    late_of = serializers.UUIDField(allow_null=True)
    links = serializers.DictField(child=serializers.CharField())


class ProgressSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    status = serializers.ChoiceField(STATUSES)
    is_terminal = serializers.BooleanField()
    outcome = serializers.CharField(allow_null=True)
    version = serializers.IntegerField()
    progress = serializers.IntegerField(help_text="0-100.")
    estimated_time_remaining = serializers.IntegerField(allow_null=True, help_text="Seconds.")
    attempts = serializers.IntegerField()
    queue = serializers.DictField()


class MineSerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(STATUSES, required=False)
    style_id = StrictUUIDField(required=False)


FIELDS = Fields(tuple(GenerationSerializer().fields))
FIELDS_PARAMETER = OpenApiParameter("fields", str, description="Only these, joined by commas.")


class GenerationsView(APIView):
    """Pictures that were published, and ordering a new one."""

    permission_classes = [per_method(GET=Anyone, POST=IsUser)]
    throttle_classes = [PerCaller, Orders]

    @extend_schema(
        operation_id="generations_list",
        parameters=[FIELDS_PARAMETER],
        responses=paged(GenerationSerializer),
    )
    def get(self, request: Request) -> Response:
        """List the published ones: none yet, since nothing can be published so far."""
        FIELDS.asked(request)
        none: list[Generation] = []
        return Response(Page.of(request, "generations").answer(none, key=mark_key, render=str))

    @extend_schema(request=GenerationRequestSerializer, responses={201: GenerationSerializer})
    def post(self, request: Request) -> Response:
        """Order a picture: its price is held now and paid when the picture is stored."""
        refuse_during_maintenance()
        idempotency_key(request)  # a missing key is told before any field
        asked = GenerationRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        accepted = send(request, picture(person(request).id, asked.validated_data))
        return answered(accepted, render([requested(accepted)], places={})[0], status=201)


def requested(accepted: Accepted) -> Generation:
    """Return the row of what was just ordered; its hold is the last of the order's events."""
    generation_id, shard = UUID(accepted.stream[-36:]), read.stream_shard(accepted.stream)
    request, at = accepted.state.request, accepted.state.job.requested_at
    row = begun(request, generation_id, shard, accepted.version, at)
    row.held = request.price
    row.held_position = accepted.position.number if accepted.position else None
    return row


class MyGenerationsView(APIView):
    """One's own, newest first."""

    permission_classes = [IsUser]

    @extend_schema(
        operation_id="generations_mine",
        parameters=[MineSerializer, FIELDS_PARAMETER],
        responses=paged(GenerationSerializer),
    )
    def get(self, request: Request) -> Response:
        fields = FIELDS.asked(request)
        asked = MineSerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        wanted = asked.validated_data
        filters = f"{wanted.get('status')}:{wanted.get('style_id')}"
        page = Page.of(request, f"generations/mine:{filters}")
        wait_until_projected(request, GenerationsProjector)
        rows = generations_of(
            person(request).id, **wanted, limit=page.limit + 1, before=mark_of(page)
        )
        shown = rows[: page.limit]
        bodies = {body["id"]: body for body in render(shown, places=_places(shown))}
        return Response(
            page.answer(rows, key=mark_key, render=lambda row: FIELDS.only(bodies[row.id], fields))
        )


class GenerationView(APIView):
    """One of one's own, always fresh: folded from the book."""

    permission_classes = [IsUser]

    @extend_schema(
        operation_id="generations_read",
        parameters=[FIELDS_PARAMETER],
        responses=GenerationSerializer,
    )
    def get(self, request: Request, generation_id: UUID) -> Response:
        fields = FIELDS.asked(request)
        row = own_generation(request, generation_id)
        return Response(FIELDS.only(render([row], places=_places([row]))[0], fields))


class GenerationProgressView(APIView):
    """How far one of one's own is; made for polling."""

    permission_classes = [IsUser]

    @extend_schema(responses=ProgressSerializer)
    def get(self, request: Request, generation_id: UUID) -> Response:
        row = own_generation(request, generation_id)
        place = _places([row]).get(row.id)
        return Response(
            {
                "id": row.id,
                "status": row.status,
                "is_terminal": row.is_terminal,
                "outcome": row.outcome,
                "version": row.version,
                "progress": row.progress,
                "estimated_time_remaining": remaining_seconds(row, place),
                "attempts": row.attempts,
                "queue": render_queue(place),
            }
        )


def own_generation(request: Request, generation_id: UUID) -> Generation:
    """Return one's own generation as its stream tells it; raises 404 for all others (G13)."""
    row = job_of(GenerationsProjector, read.stream(generation_stream(generation_id)))
    if row is None or row.user_id != person(request).id:
        raise UnknownGeneration
    return row


def _places(rows: Sequence[Generation]) -> Mapping[UUID, Place]:
    return places_in_queue(GENERATION, [row for row in rows if row.status == "queued"])
