"""`/api/styles/{id}/train/` and `progress/`: making a style's model."""

import secrets
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
from api.maintenance import refuse_during_maintenance
from api.messages import message
from api.permissions import IsArtist
from api.positions import wait_until_projected
from api.styles import own_style
from core.fields import StrictIntegerField
from core.ids import new_job_id, task_id
from ledger.domain.cancel import CancelTraining
from ledger.domain.dataset import dataset_stream
from ledger.domain.errors import UnknownTraining
from ledger.domain.training import RequestTraining
from ledger.orders import Accepted
from ledger.states import fold
from projections.styles import StylesProjector
from projections.trainings import Training, TrainingsProjector, trainings_of_style


class TrainRequestSerializer(serializers.Serializer[Any]):
    epochs = StrictIntegerField(min_value=1, max_value=1_000, default=200)


class TrainStartedSerializer(serializers.Serializer[Any]):
    message = serializers.CharField()
    style_id = serializers.UUIDField()
    training_id = serializers.UUIDField()
    training_status = serializers.CharField()
    status = serializers.CharField()
    price = serializers.IntegerField()
    deadline_at = serializers.DateTimeField()


class TrainingProgressSerializer(serializers.Serializer[Any]):
    style_id = serializers.UUIDField()
    training_id = serializers.UUIDField(allow_null=True)
    training_status = serializers.CharField()
    status = serializers.CharField(allow_null=True)
    progress = serializers.IntegerField()
    current_epoch = serializers.IntegerField(allow_null=True)
    total_epochs = serializers.IntegerField(allow_null=True)
    error = serializers.CharField(allow_null=True)
    estimated_time_remaining = serializers.IntegerField(allow_null=True, help_text="Seconds.")


class TrainView(APIView):
    """Train one's own style on the images it has; the cost is held now, captured at the end."""

    permission_classes = [IsArtist]

    @extend_schema(request=TrainRequestSerializer, responses=TrainStartedSerializer)
    def post(self, request: Request, style_id: UUID) -> Response:
        refuse_during_maintenance()
        asked = TrainRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        own_style(request, style_id)
        artist_id = person(request).id
        training_id = new_job_id(artist_id)
        command = RequestTraining(
            training_id=training_id,
            style_id=style_id,
            artist_id=artist_id,
            task_id=task_id(training_id, 1),
            seed=secrets.randbelow(2**32),
            epochs=asked.validated_data["epochs"],
        )
        accepted = send(request, command)
        return answered(accepted, _started(accepted))


def _started(accepted: Accepted) -> dict[str, Any]:
    request = accepted.state.request
    return {
        "message": message("training_started"),
        "style_id": request.style_id,
        "training_id": UUID(accepted.stream[-36:]),
        "training_status": "training",
        "status": accepted.state.job.status.value,
        "price": request.price,
        "deadline_at": request.deadline_at,
    }


class TrainingCanceledSerializer(serializers.Serializer[Any]):
    style_id = serializers.UUIDField()
    training_id = serializers.UUIDField()
    status = serializers.CharField(help_text="Canceled, or processing until the worker stops.")
    is_cancel_requested = serializers.BooleanField()


class CancelTrainingView(APIView):
    """Cancel the training of one's own style that runs, or ran last."""

    permission_classes = [IsArtist]

    @extend_schema(request=None, responses=TrainingCanceledSerializer)
    def post(self, request: Request, style_id: UUID) -> Response:
        own_style(request, style_id)
        training_id = _newest_training(style_id)
        command = CancelTraining(
            training_id=training_id, style_id=style_id, user_id=person(request).id
        )
        accepted = send(request, command, key_required=False)
        job = accepted.state.job
        return answered(
            accepted,
            {
                "style_id": style_id,
                "training_id": training_id,
                "status": job.status.value,
                "is_cancel_requested": job.is_cancel_requested,
            },
        )


def _newest_training(style_id: UUID) -> UUID:
    """Return the training that has the images locked, else the newest. Raises UnknownTraining."""
    images = fold(dataset_stream(style_id))[0].state
    if images is not None and images.locked_by is not None:
        running: UUID = images.locked_by
        return running
    ended = trainings_of_style(style_id, limit=1)
    if not ended:
        raise UnknownTraining
    return ended[0].id


class TrainingProgressView(APIView):
    """How far the newest training of one's own style is."""

    permission_classes = [IsArtist]

    @extend_schema(responses=TrainingProgressSerializer)
    def get(self, request: Request, style_id: UUID) -> Response:
        wait_until_projected(request, TrainingsProjector)
        wait_until_projected(request, StylesProjector)
        style = own_style(request, style_id)
        newest = trainings_of_style(style_id, limit=1)
        return Response(
            {"style_id": style_id, "training_status": style.training_status}
            | (_progress(newest[0]) if newest else _NO_PROGRESS)
        )


_NO_PROGRESS: dict[str, Any] = {
    "training_id": None,
    "status": None,
    "progress": 0,
    "current_epoch": None,
    "total_epochs": None,
    "error": None,
    "estimated_time_remaining": None,
}


def _progress(training: Training) -> dict[str, Any]:
    return {
        "training_id": training.id,
        "status": training.status,
        "progress": training.progress,
        "current_epoch": training.current_epoch,
        "total_epochs": training.total_epochs,
        "error": training.error_code,
        "estimated_time_remaining": _remaining_seconds(training),
    }


def _remaining_seconds(training: Training) -> int | None:
    """Return the seconds left at the speed so far; None while there is nothing to measure."""
    if training.is_terminal or training.started_at is None or not training.progress:
        return None
    elapsed = (timezone.now() - training.started_at).total_seconds()
    return round(max(0.0, elapsed) * (100 - training.progress) / training.progress)
