"""`/api/users/`: one's own account, others' public face, and becoming an artist."""

from typing import Any
from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.accounts import (
    AccountSerializer,
    EmailField,
    PublicAccountSerializer,
    UsernameField,
    unique_names,
)
from api.authentication import person
from api.errors import FieldProblem, Problem
from api.permissions import IsUser, SignedIn
from core.fields import StrictCharField
from core.models import Role, User


class AccountChangeSerializer(serializers.Serializer[Any]):
    username = UsernameField(required=False)
    email = EmailField(required=False)
    artist_name = StrictCharField(max_length=100, required=False)


class UpgradeSerializer(serializers.Serializer[Any]):
    artist_name = StrictCharField(max_length=100)
    verified_email = EmailField(help_text="The account's own address, typed again.")


class MyAccountView(APIView):
    """One's own account."""

    permission_classes = [SignedIn]

    @extend_schema(operation_id="users_me", responses=AccountSerializer)
    def get(self, request: Request) -> Response:
        return Response(AccountSerializer(person(request)).data)

    @extend_schema(request=AccountChangeSerializer, responses=AccountSerializer)
    def patch(self, request: Request) -> Response:
        asked = AccountChangeSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        user = person(request)
        if "artist_name" in asked.validated_data and user.role != Role.ARTIST:
            raise FieldProblem("artist_name", "artist_only")
        for field, value in asked.validated_data.items():
            setattr(user, field, value)
        with unique_names():
            user.save(update_fields=asked.validated_data.keys())
        return Response(AccountSerializer(user).data)


class UpgradeView(APIView):
    """Become an artist."""

    permission_classes = [IsUser]

    @extend_schema(request=UpgradeSerializer, responses=AccountSerializer)
    def post(self, request: Request) -> Response:
        asked = UpgradeSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        user, name = person(request), asked.validated_data["artist_name"]
        if asked.validated_data["verified_email"].casefold() != user.email.casefold():
            raise FieldProblem("verified_email", "mismatch")
        if not _upgrade(user, name):
            raise Problem(409, "already_artist")
        return Response(AccountSerializer(user).data)


def _upgrade(user: User, artist_name: str) -> bool:
    """Make `user` an artist; False if they are one under another name (a repetition is none)."""
    mine = User.objects.filter(id=user.id)
    changed = mine.filter(role=Role.USER).update(role=Role.ARTIST, artist_name=artist_name)
    user.refresh_from_db(fields=["role", "artist_name"])
    return bool(changed) or user.artist_name == artist_name


class PublicAccountView(APIView):
    """What others see of an account."""

    permission_classes = [SignedIn]

    @extend_schema(operation_id="users_read", responses=PublicAccountSerializer)
    def get(self, request: Request, user_id: UUID) -> Response:
        user = User.objects.filter(id=user_id, is_active=True).first()
        if user is None:
            raise Http404
        return Response(PublicAccountSerializer(user).data)
