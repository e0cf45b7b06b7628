"""One view: who asks is known by an API key, the body is JSON, one SQL function is called."""

import json

from django.db import connection
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


class CallView(APIView):
    """Keep what was posted."""

    def post(self, request: Request) -> Response:
        """Call the function and answer with what it returned."""
        with connection.cursor() as cursor:
            cursor.execute(
                "select bare_call_v1(%s, %s)", [request.user.id, json.dumps(request.data)]
            )
            (number,) = cursor.fetchone()
        return Response({"id": number}, status=201)


urlpatterns = [path("api/generations/", CallView.as_view())]
