"""`/api/billing-matrix/`: what is billed at each end of a job, for everyone to read."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.permissions import Anyone
from ledger.domain.billing import BILLING
from ledger.domain.job import TERMINAL


class BillingRuleSerializer(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(["generation", "training"])
    outcome = serializers.ChoiceField(sorted(one.value for one in TERMINAL))
    code = serializers.CharField(
        allow_null=True, help_text="The job's error code; * is any other that a worker reports."
    )
    billing_state = serializers.CharField(help_text="As in a job's billing.state.")
    is_charged = serializers.BooleanField(help_text="True: the quote, whole. False: nothing.")


class BillingMatrixSerializer(serializers.Serializer[Any]):
    results = BillingRuleSerializer(many=True)


class BillingMatrixView(APIView):
    """Every way a job can end, and whether it is charged."""

    permission_classes = [Anyone]

    @extend_schema(responses=BillingMatrixSerializer)
    def get(self, request: Request) -> Response:
        results = [
            {
                "kind": rule.kind,
                "outcome": rule.outcome.value,
                "code": rule.code,
                "billing_state": rule.hold.value,
                "is_charged": rule.is_charged,
            }
            for rule in BILLING
        ]
        return Response({"results": results})
