"""What every job shows, training or generation: where it stands, and what became of its tokens."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone
from rest_framework import serializers

from core.sealing import open_many
from ledger.domain.job import HoldStatus, JobStatus
from ledger.orders import Position
from projections.jobs import Job
from projections.reading import Place

Sealed = tuple[str, UUID]
Texts = Mapping[Sealed, str | None]
STATUSES = [one.value for one in JobStatus]  # the schema's JobStatus, see ENUM_NAME_OVERRIDES


class QueueSerializer(serializers.Serializer[Any]):
    position = serializers.IntegerField(
        allow_null=True, help_text="1 is next; null unless it waits. Exact up to 1,000."
    )
    eta_seconds = serializers.IntegerField(
        allow_null=True, help_text="Estimated by how long the oldest in the queue has waited."
    )


class JobMovementSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(help_text="Position in the book.")
    type = serializers.ChoiceField(["hold", "capture", "release", "refund"])
    amount = serializers.IntegerField()


class BillingSerializer(serializers.Serializer[Any]):
    state = serializers.ChoiceField([one.value for one in HoldStatus])
    quote = serializers.IntegerField(help_text="The most that can be charged.")
    held = serializers.IntegerField(help_text="What is set aside at present.")
    captured = serializers.IntegerField()
    released = serializers.IntegerField()
    refunded = serializers.IntegerField()
    movements = JobMovementSerializer(many=True)


class JobErrorSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    message = serializers.CharField(allow_null=True)


class JobSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    status = serializers.ChoiceField(STATUSES)
    is_terminal = serializers.BooleanField()
    outcome = serializers.CharField(allow_null=True, help_text="The status it ended in.")
    version = serializers.IntegerField(help_text="Grows with each event of the job.")
    progress = serializers.IntegerField(help_text="0-100.")
    queue = QueueSerializer()
    attempts = serializers.IntegerField()
    billing = BillingSerializer()
    error = JobErrorSerializer(allow_null=True)
    deadline_at = serializers.DateTimeField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)


def opened(texts: Iterable[Sealed | None]) -> Texts:
    """Return what is sealed by what it is sealed in, with at most one query; None once erased."""
    sealed = [text for text in texts if text]
    return dict(zip(sealed, open_many(sealed), strict=True))


def sealed_error(job: Job) -> Sealed | None:
    """Return the job's error message as it is sealed, or None without one."""
    return sealed(job.error_message, job.error_message_key)


def sealed(text: str | None, key: UUID | None) -> Sealed | None:
    """Return the two columns of a sealed text as one, or None for a text that is not there."""
    return (text, key) if text and key else None


def render_job(job: Job, place: Place | None, texts: Texts) -> dict[str, Any]:
    """Return the fields that every job has, in the order of JobSerializer."""
    message = sealed_error(job)
    return {
        "id": job.id,
        "status": job.status,
        "is_terminal": job.is_terminal,
        "outcome": job.outcome,
        "version": job.version,
        "progress": job.progress,
        "queue": render_queue(place),
        "attempts": job.attempts,
        "billing": _billing(job),
        "error": {"code": job.error_code, "message": message and texts[message]}
        if job.error_code
        else None,
        "deadline_at": job.deadline_at,
        "created_at": job.created_at,
        "updated_at": job.updated_at,
        "started_at": job.started_at,
        "ended_at": job.ended_at,
    }


def render_queue(place: Place | None) -> dict[str, Any]:
    """Return where a job waits; all null for one that does not."""
    return {
        "position": place and place.number,
        "eta_seconds": place and _wait_seconds(place),
    }


def _wait_seconds(place: Place) -> int:
    """Return how long the job will wait if it goes on as it went for the oldest in the queue.

    In a steady queue whoever is about to leave has waited the whole way (Little's law).
    """
    return round(_seconds_since(place.oldest_at) * place.number / place.length)


def _billing(job: Job) -> dict[str, Any]:
    return {
        "state": job.billing_state,
        "quote": job.quote,
        "held": job.held - job.captured - job.released,
        "captured": job.captured,
        "released": job.released,
        "refunded": job.refunded,
        "movements": [
            {
                "id": str(Position(one.shard, one.position)),
                "type": one.verb,
                "amount": one.amount,
            }
            for one in job.movements
        ],
    }


def remaining_seconds(job: Job, place: Place | None = None) -> int | None:
    """Return the seconds left: of waiting while queued, else at the speed so far; None: unknown."""
    if place is not None:
        return _wait_seconds(place)
    if job.is_terminal or job.started_at is None or not job.progress:
        return None
    return round(_seconds_since(job.started_at) * (100 - job.progress) / job.progress)


def _seconds_since(at: datetime) -> float:
    return max(0.0, (timezone.now() - at).total_seconds())
