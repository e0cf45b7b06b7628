"""`/api/workers/`: operators give AI workers their credentials, renew and revoke them."""

from typing import Any
from uuid import UUID

from django.db import IntegrityError
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.errors import FieldProblem
from api.pagination import Page
from api.permissions import IsOperator
from api.schema import paged
from core.fields import StrictCharField
from core.models import Worker
from core.workers import JOB_TYPES, create_worker, revoke_worker, rotate_secret


class JobTypesField(serializers.ListField):
    """Types of jobs, all of them by default."""

    def __init__(self, **kwargs: Any) -> None:
        child = serializers.ChoiceField(JOB_TYPES)
        limits: dict[str, Any] = {"min_length": 1, "max_length": 10, "default": list(JOB_TYPES)}
        super().__init__(child=child, **limits | kwargs)


class WorkerRequestSerializer(serializers.Serializer[Any]):
    name = StrictCharField(max_length=100)
    job_types = JobTypesField()


class WorkerSerializer(serializers.ModelSerializer[Worker]):
    class Meta:
        model = Worker
        fields = [
            "id",
            "name",
            "job_types",
            "created_at",
            "revoked_at",
            "previous_valid_until",
        ]
        read_only_fields = fields


class NewSecretSerializer(WorkerSerializer):
    secret = serializers.CharField(help_text="Shown once: keep it.")

    class Meta(WorkerSerializer.Meta):
        fields = [*WorkerSerializer.Meta.fields, "secret"]


class WorkersView(APIView):
    """Every worker, newest first; a new one's secret is shown once, also to who repeats."""

    permission_classes = [IsOperator]

    @extend_schema(operation_id="workers_list", responses=paged(WorkerSerializer))
    def get(self, request: Request) -> Response:
        page = Page.of(request, "workers")
        rows = page.newest_first(Worker.objects.all())
        return Response(
            page.answer(
                rows, key=lambda row: (str(row.id),), render=lambda row: WorkerSerializer(row).data
            )
        )

    @extend_schema(request=WorkerRequestSerializer, responses={201: NewSecretSerializer})
    def post(self, request: Request) -> Response:
        asked = WorkerRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        name, job_types = asked.validated_data["name"], set(asked.validated_data["job_types"])
        try:
            worker, secret = create_worker(name, job_types=job_types)
        except IntegrityError:
            raise FieldProblem("name", "taken") from None
        return Response(WorkerSerializer(worker).data | {"secret": secret}, status=201)


class WorkerView(APIView):
    """One worker."""

    permission_classes = [IsOperator]

    @extend_schema(responses=WorkerSerializer)
    def get(self, request: Request, worker_id: UUID) -> Response:
        return Response(WorkerSerializer(_find(worker_id)).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, worker_id: UUID) -> Response:
        """Revoke the worker: what it signs counts for nothing from now on."""
        if not revoke_worker(worker_id):
            _find(worker_id)
        return Response(status=204)


class RotateView(APIView):
    """Give a worker a new secret; the present one stays valid for a day."""

    permission_classes = [IsOperator]

    @extend_schema(request=None, responses=NewSecretSerializer)
    def post(self, request: Request, worker_id: UUID) -> Response:
        try:
            secret = rotate_secret(worker_id)
        except Worker.DoesNotExist:
            raise Http404 from None
        return Response(WorkerSerializer(_find(worker_id)).data | {"secret": secret})


def _find(worker_id: UUID) -> Worker:
    worker = Worker.objects.filter(id=worker_id).first()
    if worker is None:
        raise Http404
    return worker
