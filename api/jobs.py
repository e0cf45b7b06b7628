"""What every job shows, training or generation: where it stands, and what became of its tokens."""

from typing import Any

from rest_framework import serializers

from ledger.domain.job import HoldStatus, JobStatus

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
