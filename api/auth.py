"""`/api/auth/`: signing up and in, API keys, and who am I."""

import functools
import secrets
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth import login, logout
from django.contrib.auth.hashers import check_password as password_fits
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.http import Http404
from django.middleware.csrf import get_token
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.accounts import (
    AccountSerializer,
    EmailField,
    UsernameField,
    check_password,
    named,
    unique_names,
)
from api.authentication import credential, person
from api.errors import FieldProblem, Problem
from api.messages import message
from api.pagination import Page
from api.permissions import Anyone, SignedIn
from api.positions import add_positions
from api.schema import paged
from api.throttling import PerCaller, SignUps, count, forgive
from api.welcome import grant_welcome
from core.fields import StrictBooleanField, StrictCharField
from core.keys import SCOPES, Credential, issue
from core.models import ApiKey, User
from core.sealing import ensure_key

MAX_KEYS = 100  # live ones per account


class PasswordField(StrictCharField):
    """A password; control characters and spaces count as they are."""

    allowed_controls = frozenset(map(chr, range(1, 32)))

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": 200, "write_only": True} | kwargs)


class SignUpSerializer(serializers.Serializer[Any]):
    username = UsernameField()
    email = EmailField()
    password = PasswordField()


class LoginSerializer(serializers.Serializer[Any]):
    username = StrictCharField(max_length=254, help_text="The user name or the e-mail address.")
    password = PasswordField()
    create_key = StrictBooleanField(default=False)


class SignedUpSerializer(serializers.Serializer[Any]):
    user = AccountSerializer()
    api_key = serializers.CharField(help_text="Shown this once.")


class LoggedInSerializer(serializers.Serializer[Any]):
    user = AccountSerializer()
    csrf_token = serializers.CharField(help_text="Send it as X-CSRFToken with each write.")
    api_key = serializers.CharField(required=False, help_text="Shown this once.")


class KeyRequestSerializer(serializers.Serializer[Any]):
    name = StrictCharField(max_length=100, allow_blank=True, default="")
    scopes = serializers.ListField(
        child=serializers.ChoiceField(sorted(SCOPES)), max_length=len(SCOPES), default=list
    )
    expires_at = serializers.DateTimeField(allow_null=True, default=None)

    def validate_expires_at(self, value: datetime | None) -> datetime | None:
        if value is not None and value <= timezone.now():
            raise serializers.ValidationError(message("in_the_past"), code="in_the_past")
        return value


class KeySerializer(serializers.ModelSerializer[ApiKey]):
    class Meta:
        model = ApiKey
        fields = [
            "id",
            "name",
            "scopes",
            "created_at",
            "expires_at",
            "last_used_at",
            "revoked_at",
        ]
        read_only_fields = fields


class NewKeySerializer(KeySerializer):
    api_key = serializers.CharField(help_text="Shown this once.")

    class Meta(KeySerializer.Meta):
        fields = [*KeySerializer.Meta.fields, "api_key"]


class MeSerializer(serializers.Serializer[Any]):
    user = AccountSerializer()
    key_id = serializers.UUIDField(allow_null=True, help_text="Null for a session.")
    scopes = serializers.ListField(child=serializers.CharField())
    csrf_token = serializers.CharField(allow_null=True, help_text="Null for an API key.")


class SignUpView(APIView):
    """Open an account; its first API key is shown once, its welcome grant follows."""

    authentication_classes = []
    permission_classes = [Anyone]
    throttle_classes = [PerCaller, SignUps]

    @extend_schema(request=SignUpSerializer, responses={201: SignedUpSerializer})
    def post(self, request: Request) -> Response:
        asked = SignUpSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        user = _draft(**asked.validated_data)
        with unique_names(), transaction.atomic():
            user.save(force_insert=True)
            ensure_key(user.id)
            _, key = issue(user, name="sign-up")
        response = Response({"user": AccountSerializer(user).data, "api_key": key}, status=201)
        add_positions(response, grant_welcome(user))
        return response


def _draft(username: str, email: str, password: str) -> User:
    """Return an unsaved account; the slow hash is done before any transaction is open."""
    user = User(username=username, email=email)
    check_password(password, user)
    user.password = make_password(password)
    return user


class LoginView(APIView):
    """Open a session (a JSON body keeps other sites out) and, if asked, issue an API key."""

    authentication_classes = []
    permission_classes = [Anyone]

    @extend_schema(request=LoginSerializer, responses={200: LoggedInSerializer})
    def post(self, request: Request) -> Response:
        asked = LoginSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        user = _proven(request, asked.validated_data["username"], asked.validated_data["password"])
        login(request, user)
        answer = {"user": AccountSerializer(user).data, "csrf_token": get_token(request)}
        if asked.validated_data["create_key"]:
            answer["api_key"] = _issue_within_limit(user, name="login")[1]
        response = Response(answer)
        add_positions(response, grant_welcome(user))
        return response


def _proven(request: Request, name: str, password: str) -> User:
    """Return the account whose password this is; unknown names take as long as known ones.

    An attempt counts as failed until it succeeds, so that guesses sent at once count as well.
    """
    count(request, "login", name.casefold())
    user = named(name)
    if not password_fits(password, user.password if user else _nobodys_password()) or not user:
        raise Problem(401, "invalid_credentials")
    forgive("login", name.casefold())
    return user


@functools.cache
def _nobodys_password() -> str:
    return make_password(secrets.token_urlsafe())


class LogoutView(APIView):
    """End the session; an API key stays as it is."""

    permission_classes = [SignedIn]

    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request) -> Response:
        if credential(request) is None:
            logout(request)
        return Response(status=204)


class MeView(APIView):
    """Who am I, and with which key."""

    permission_classes = [SignedIn]

    @extend_schema(responses=MeSerializer)
    def get(self, request: Request) -> Response:
        key = credential(request)
        return Response(
            {
                "user": AccountSerializer(person(request)).data,
                "key_id": key and key.key_id,
                "scopes": sorted(key.scopes if key else SCOPES),
                "csrf_token": None if key else get_token(request),
            }
        )


class KeysView(APIView):
    """One's own API keys."""

    permission_classes = [SignedIn]

    @extend_schema(operation_id="auth_keys_list", responses=paged(KeySerializer))
    def get(self, request: Request) -> Response:
        page = Page.of(request, "auth/keys")
        rows = page.newest_first(ApiKey.objects.filter(user=person(request)))
        return Response(
            page.answer(
                rows, key=lambda row: (str(row.id),), render=lambda row: KeySerializer(row).data
            )
        )

    @extend_schema(request=KeyRequestSerializer, responses={201: NewKeySerializer})
    def post(self, request: Request) -> Response:
        asked = KeyRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        _refuse_to_outlive(credential(request), asked.validated_data["expires_at"])
        row, key = _issue_within_limit(person(request), **asked.validated_data)
        return Response(KeySerializer(row).data | {"api_key": key}, status=201)


def _refuse_to_outlive(key: Credential | None, expires_at: datetime | None) -> None:
    """Refuse that a key that expires makes one that lasts longer."""
    if key is None or key.expires_at is None:
        return
    if expires_at is None or expires_at > key.expires_at:
        raise FieldProblem("expires_at", "outlives_key")


def _issue_within_limit(user: User, **asked: Any) -> tuple[ApiKey, str]:
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(id=user.id)  # one at a time: they count
        if ApiKey.objects.filter(user=user, revoked_at=None).count() >= MAX_KEYS:
            raise Problem(409, "too_many_keys", details={"limit": MAX_KEYS})
        return issue(user, **asked)


class KeyView(APIView):
    """One of one's own API keys."""

    permission_classes = [SignedIn]

    @extend_schema(responses={204: None})
    def delete(self, request: Request, key_id: UUID) -> Response:
        mine = ApiKey.objects.filter(id=key_id, user=person(request))
        if not mine.filter(revoked_at=None).update(revoked_at=timezone.now()) and not mine.exists():
            raise Http404
        return Response(status=204)
