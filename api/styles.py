"""`/api/styles/`: an artist's styles, and the ones that everyone can order in."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.authentication import person
from api.door import answered, context_of, send
from api.errors import FieldProblem, Problem
from api.fields import Fields
from api.pagination import Page
from api.parsing import StrictJSONParser
from api.permissions import Anyone, IsArtist, per_method
from api.pictures import check_pictures, image_commands, picture_files
from api.positions import wait_until_projected
from api.schema import paged
from core.fields import ParagraphField, StrictBooleanField, StrictCharField, StrictIntegerField
from core.ids import new_id
from core.models import User
from core.sealing import open_many, seal
from ledger.domain.events import Sealed
from ledger.domain.style import (
    DeactivateStyle,
    DraftStyle,
    ReactivateStyle,
    ReviseStyle,
    StyleState,
    style_stream,
)
from ledger.handlers import handle
from ledger.orders import Accepted, Order, Refused
from ledger.states import fold
from ledger.terms import terms
from projections.reading import Mark
from projections.styles import Style, StylesProjector, public_styles, styles_of
from projections.styles import style as projected_style

MOST_TAGS = 10
_TAG = re.compile(r"[\w-]{1,30}")


class TagField(StrictCharField):
    """1 to 30 letters and digits of any script, `_` and `-`."""

    def to_internal_value(self, data: Any) -> str:
        """Return the tag, or raise `invalid_tag`."""
        tag = super().to_internal_value(data)
        if not _TAG.fullmatch(tag):
            self.refuse("invalid_tag")
        return tag


class StyleRequestSerializer(serializers.Serializer[Any]):
    name = StrictCharField(max_length=200)
    description = ParagraphField(max_length=5_000, allow_blank=True, default="")
    generation_cost_tokens = StrictIntegerField(
        min_value=terms().min_price, max_value=terms().max_price, default=terms().default_price
    )
    tags = serializers.ListField(child=TagField(), max_length=MOST_TAGS, default=list)


class StyleChangeSerializer(StyleRequestSerializer):
    name = StrictCharField(max_length=200, required=False)
    description = ParagraphField(max_length=5_000, allow_blank=True, required=False)
    generation_cost_tokens = StrictIntegerField(
        min_value=terms().min_price, max_value=terms().max_price, required=False
    )
    tags = serializers.ListField(child=TagField(), max_length=MOST_TAGS, required=False)
    is_active = StrictBooleanField(required=False)


class StyleSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField(allow_null=True, help_text="Null once its author was erased.")
    description = serializers.CharField(allow_null=True)
    generation_cost_tokens = serializers.IntegerField()
    training_status = serializers.ChoiceField(["pending", "training", "completed", "failed"])
    is_active = serializers.BooleanField()
    artist_id = serializers.UUIDField()
    artist_name = serializers.CharField()
    image_count = serializers.IntegerField()
    tags = serializers.ListField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


FIELDS = Fields(tuple(StyleSerializer().fields))


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A style as the API shows it, from its projection or folded from its stream."""

    id: UUID
    artist_id: UUID
    name: tuple[str, UUID] | None
    description: tuple[str, UUID] | None
    price: int
    tags: Iterable[str]
    training_status: str
    is_active: bool
    image_count: int
    created_at: datetime
    updated_at: datetime

    @property
    def is_public(self) -> bool:
        """Whether everyone sees it."""
        return self.is_active and self.training_status == "completed"


def of_row(row: Style) -> Shown:
    """Return a projected style."""
    return Shown(
        id=row.id,
        artist_id=row.artist_id,
        name=(row.name, row.name_key) if row.name and row.name_key else None,
        description=(
            (row.description, row.description_key)
            if row.description and row.description_key
            else None
        ),
        price=row.price,
        tags=row.tags,
        training_status=row.training_status,
        is_active=row.is_active,
        image_count=row.image_count,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def of_state(style_id: UUID, state: StyleState, *, image_count: int = 0) -> Shown:
    """Return a style folded from its stream, ahead of its projection."""
    return Shown(
        id=style_id,
        artist_id=state.artist_id,
        name=(state.name.sealed, state.name.key),
        description=(
            (state.description.sealed, state.description.key) if state.description else None
        ),
        price=state.price,
        tags=state.tags,
        training_status="completed" if state.model else "pending",
        is_active=state.is_active,
        image_count=image_count,
        created_at=state.drafted_at,
        updated_at=state.revised_at,
    )


def render(styles: list[Shown]) -> list[dict[str, Any]]:
    """Return styles as the API shows them, with two queries for all of them."""
    sealed = [text for one in styles for text in (one.name, one.description) if text]
    texts = dict(zip(sealed, open_many(sealed), strict=True))
    artists = User.objects.filter(id__in={one.artist_id for one in styles})
    names = {artist.id: artist.artist_name or artist.username for artist in artists}
    return [
        {
            "id": one.id,
            "name": texts[one.name] if one.name else None,
            "description": texts[one.description] if one.description else "",
            "generation_cost_tokens": one.price,
            "training_status": one.training_status,
            "is_active": one.is_active,
            "artist_id": one.artist_id,
            "artist_name": names.get(one.artist_id, ""),
            "image_count": one.image_count,
            "tags": list(one.tags),
            "created_at": one.created_at,
            "updated_at": one.updated_at,
        }
        for one in styles
    ]


def visible_style(request: Request, style_id: UUID) -> Shown:
    """Return a style that is public or the asker's own; raises 404 for all others."""
    shown = find_style(style_id)
    asker = request.user.id if request.user else None
    if shown is None or not (shown.is_public or shown.artist_id == asker):
        raise Http404
    return shown


def own_style(request: Request, style_id: UUID) -> Shown:
    """Return one's own style; raises 404 for all others (G13)."""
    shown = find_style(style_id)
    if shown is None or shown.artist_id != person(request).id:
        raise Http404
    return shown


def find_style(style_id: UUID) -> Shown | None:
    """Return a style, projected or, when the projection has not got it yet, folded."""
    row = projected_style(style_id)
    if row is not None:
        return of_row(row)
    folded, _ = fold(style_stream(style_id))
    return of_state(style_id, folded.state) if folded.state else None


def _mark(page: Page) -> Mark | None:
    if page.after is None:
        return None
    micros, identifier = page.after
    return Mark(_EPOCH + datetime.resolution * int(micros), UUID(str(identifier)))


_EPOCH = datetime.fromtimestamp(0, UTC)


def _page(page: Page, rows: list[Style], fields: tuple[str, ...] | None) -> Response:
    bodies = {body["id"]: body for body in render([of_row(row) for row in rows[: page.limit]])}
    return Response(
        page.answer(
            rows,
            key=lambda row: ((row.created_at - _EPOCH) // datetime.resolution, str(row.id)),
            render=lambda row: FIELDS.only(bodies[row.id], fields),
        )
    )


class StylesView(APIView):
    """The styles that everyone can order in; artists draft new ones."""

    permission_classes = [per_method(GET=Anyone, POST=IsArtist)]
    parser_classes = [StrictJSONParser, MultiPartParser]

    @extend_schema(operation_id="styles_list", responses=paged(StyleSerializer))
    def get(self, request: Request) -> Response:
        fields = FIELDS.asked(request)
        tag = request.query_params.get("tag")
        if tag is not None and not _TAG.fullmatch(tag):
            raise FieldProblem("tag", "invalid_tag")
        page = Page.of(request, f"styles:{tag}")
        wait_until_projected(request, StylesProjector)
        rows = public_styles(tag=tag, limit=page.limit + 1, before=_mark(page))
        return _page(page, rows, fields)

    @extend_schema(request=StyleRequestSerializer, responses={201: StyleSerializer})
    def post(self, request: Request) -> Response:
        context = context_of(request, key_required=False)
        asked = StyleRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        given, artist = asked.validated_data, person(request)
        files = picture_files(request, "training_images", required=False)
        pictures = check_pictures(files, "training_images")
        style_id = new_id(artist.id)
        draft = DraftStyle(
            style_id=style_id,
            artist_id=artist.id,
            name=Sealed(*seal(artist.id, given["name"])),
            description=_sealed(artist.id, given["description"]),
            price=given["generation_cost_tokens"],
            tags=tuple(given["tags"]),
        )
        images = image_commands(style_id, artist.id, pictures)
        orders = [Order(draft, context)]
        orders += [Order(image, context_without_key(context)) for image in images]
        drafted = _first(handle(orders))
        shown = of_state(UUID(drafted.stream[-36:]), drafted.state, image_count=len(pictures))
        return answered(drafted, render([shown])[0], status=201)


def context_without_key(context: Any) -> Any:
    """Return the context for what follows from an order: the key remembers the first alone."""
    return type(context)(
        actor=context.actor,
        correlation_id=context.correlation_id,
        traceparent=context.traceparent,
    )


def _first(results: list[Any]) -> Accepted:
    first = results[0]
    if isinstance(first, Refused):
        raise Problem.of_rule(first.error, is_replayed=first.replayed)
    accepted: Accepted = first
    return accepted


def _sealed(user_id: UUID, text: str) -> Sealed | None:
    return Sealed(*seal(user_id, text)) if text else None


class MyStylesView(APIView):
    """One's own styles, drafts and inactive ones too."""

    permission_classes = [IsArtist]

    @extend_schema(operation_id="styles_mine", responses=paged(StyleSerializer))
    def get(self, request: Request) -> Response:
        fields = FIELDS.asked(request)
        page = Page.of(request, "styles/mine")
        wait_until_projected(request, StylesProjector)
        rows = styles_of(person(request).id, limit=page.limit + 1, before=_mark(page))
        return _page(page, rows, fields)


class StyleView(APIView):
    """One style."""

    permission_classes = [per_method(GET=Anyone, PATCH=IsArtist, DELETE=IsArtist)]

    @extend_schema(operation_id="styles_read", responses=StyleSerializer)
    def get(self, request: Request, style_id: UUID) -> Response:
        fields = FIELDS.asked(request)
        wait_until_projected(request, StylesProjector)
        return Response(FIELDS.only(render([visible_style(request, style_id)])[0], fields))

    @extend_schema(request=StyleChangeSerializer, responses=StyleSerializer)
    def patch(self, request: Request, style_id: UUID) -> Response:
        asked = StyleChangeSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        given, artist_id = asked.validated_data, person(request).id
        before = own_style(request, style_id)
        accepted = send(
            request,
            ReviseStyle(
                style_id=style_id,
                artist_id=artist_id,
                name=_sealed(artist_id, given.get("name", "")),
                description=(
                    Sealed(*seal(artist_id, given["description"]))  # "" too: it is taken away
                    if "description" in given
                    else None
                ),
                price=given.get("generation_cost_tokens"),
                tags=tuple(given["tags"]) if "tags" in given else None,
            ),
            key_required=False,
        )
        if given.get("is_active", before.is_active) != before.is_active:
            accepted = self._switch(style_id, artist_id, request, is_active=given["is_active"])
        shown = of_state(style_id, accepted.state, image_count=before.image_count)
        return answered(accepted, render([shown])[0])

    def _switch(
        self, style_id: UUID, artist_id: UUID, request: Request, *, is_active: bool
    ) -> Accepted:
        command = ReactivateStyle if is_active else DeactivateStyle
        context = context_without_key(context_of(request, key_required=False))
        return _first(handle([Order(command(style_id=style_id, artist_id=artist_id), context)]))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, style_id: UUID) -> Response:
        """Deactivate the style: it takes no more orders, what was sold stays."""
        own_style(request, style_id)
        command = DeactivateStyle(style_id=style_id, artist_id=person(request).id)
        return answered(send(request, command, key_required=False), None, status=204)
