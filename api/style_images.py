"""`/api/styles/{id}/images/`: the training images, by multipart or by presigned upload."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.authentication import person
from api.door import answered, context_of, send
from api.errors import Problem
from api.parsing import StrictJSONParser
from api.permissions import IsArtist
from api.pictures import (
    PICTURES,
    check,
    check_pictures,
    image_command,
    image_commands,
    picture_files,
)
from api.positions import wait_until_projected
from api.styles import own_style
from core.fields import StrictCharField, StrictIntegerField
from core.ids import new_id
from core.images.picture import MAX_PICTURE_BYTES
from core.storage import ObjectMissing, store
from ledger.domain.dataset import AddImage, RemoveImage
from ledger.handlers import handle
from ledger.objects import image_upload_key
from ledger.orders import Accepted, Context, Order, Refused
from projections.styles import StyleImage, StylesProjector, images_of

UPLOAD_SECONDS = 3600
DOWNLOAD_SECONDS = 3600


class UploadRequestSerializer(serializers.Serializer[Any]):
    filename = StrictCharField(max_length=200)
    bytes = StrictIntegerField(min_value=1, max_value=MAX_PICTURE_BYTES)
    sha256 = serializers.RegexField(r"^[0-9a-f]{64}\Z")


class UploadSerializer(serializers.Serializer[Any]):
    image_id = serializers.UUIDField()
    upload = serializers.DictField(help_text="url and fields of a form; the file comes last.")
    confirm_url = serializers.CharField()


class ImageSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    sha256 = serializers.CharField()
    bytes = serializers.IntegerField()
    content_type = serializers.CharField()
    width = serializers.IntegerField()
    height = serializers.IntegerField()
    url = serializers.CharField(help_text="Signed; it expires.")


class ImagesSerializer(serializers.Serializer[Any]):
    results = ImageSerializer(many=True)


class RefusedImageSerializer(serializers.Serializer[Any]):
    sha256 = serializers.CharField()
    code = serializers.CharField()


class AddedImagesSerializer(ImagesSerializer):
    refused = RefusedImageSerializer(many=True)


class PicturesSerializer(serializers.Serializer[Any]):
    images = serializers.ListField(child=serializers.FileField(), help_text="JPEG or PNG.")


ADDED_OR_OFFERED = PolymorphicProxySerializer(
    component_name="AddedOrOffered",
    serializers=[AddedImagesSerializer, UploadSerializer],
    resource_type_field_name=None,
)


def _render(image: StyleImage | Any, image_id: UUID) -> dict[str, Any]:
    return {
        "id": image_id,
        "sha256": image.sha256,
        "bytes": image.bytes,
        "content_type": image.content_type,
        "width": image.width,
        "height": image.height,
        "url": store().download_url(image.key, expires_seconds=DOWNLOAD_SECONDS),
    }


class ImagesView(APIView):
    """The training images of one's own style: all of them, at most a hundred."""

    permission_classes = [IsArtist]
    parser_classes = [StrictJSONParser, MultiPartParser]

    @extend_schema(operation_id="style_images_list", responses=ImagesSerializer)
    def get(self, request: Request, style_id: UUID) -> Response:
        wait_until_projected(request, StylesProjector)
        own_style(request, style_id)
        images = images_of(style_id)
        return Response({"results": [_render(image, image.id) for image in images]})

    @extend_schema(
        request={
            "application/json": UploadRequestSerializer,
            "multipart/form-data": PicturesSerializer,
        },
        responses={201: ADDED_OR_OFFERED},
    )
    def post(self, request: Request, style_id: UUID) -> Response:
        """Add pictures sent as multipart `images`, or ask for a form to upload one to the store."""
        own_style(request, style_id)
        if request.content_type.startswith("multipart/"):
            return self._add(request, style_id)
        return self._offer(request, style_id)

    def _add(self, request: Request, style_id: UUID) -> Response:
        context = context_of(request, key_required=False)
        artist_id = person(request).id
        pictures = check_pictures(picture_files(request, PICTURES))
        commands = image_commands(style_id, artist_id, pictures)
        results = handle(
            [
                Order(command, _of_picture(context, number))
                for number, command in enumerate(commands)
            ]
        )
        first = results[0]
        if isinstance(first, Refused):
            raise Problem.of_rule(first.error, is_replayed=first.replayed)
        added = [
            _render(command, _image_id(result, command))
            for command, result in zip(commands, results, strict=True)
            if isinstance(result, Accepted)
        ]
        refused = [
            {"sha256": command.sha256, "code": result.error.code}
            for command, result in zip(commands, results, strict=True)
            if isinstance(result, Refused)
        ]
        return answered(first, {"results": added, "refused": refused}, status=201)

    def _offer(self, request: Request, style_id: UUID) -> Response:
        asked = UploadRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        image_id = new_id(person(request).id)
        form = store().upload_form(
            image_upload_key(style_id, image_id),
            max_bytes=asked.validated_data["bytes"],
            content_type="application/octet-stream",
            expires_seconds=UPLOAD_SECONDS,
            sha256=asked.validated_data["sha256"],
        )
        confirm = f"/api/styles/{style_id}/images/{image_id}/confirm/"
        return Response({"image_id": image_id, "upload": form, "confirm_url": confirm}, status=201)


def _of_picture(context: Context, number: int) -> Context:
    """Return the context of one picture of several: each has an outcome of its own (G7)."""
    if context.key is None or not number:
        return context
    key = replace(context.key, scope=f"{context.key.scope}/picture/{number}")
    return replace(context, key=key)


def _image_id(accepted: Accepted, command: AddImage) -> UUID:
    """Return the id under which the picture was added: a repetition's command has a new one."""
    images: dict[UUID, str] = accepted.state.images
    return next(one for one, sha256 in images.items() if sha256 == command.sha256)


class ConfirmView(APIView):
    """Count an uploaded picture: it is read once, checked, and kept."""

    permission_classes = [IsArtist]

    @extend_schema(request=None, responses={201: ImageSerializer})
    def post(self, request: Request, style_id: UUID, image_id: UUID) -> Response:
        own_style(request, style_id)
        try:
            data = store().read(image_upload_key(style_id, image_id), MAX_PICTURE_BYTES)
        except ObjectMissing:
            raise Problem(409, "upload_missing") from None
        picture = check(data, PICTURES)
        command = image_command(style_id, person(request).id, image_id, data, picture)
        accepted = send(request, command, key_required=False)
        return answered(accepted, _render(command, image_id), status=201)


class ImageView(APIView):
    """One training image."""

    permission_classes = [IsArtist]

    @extend_schema(responses={204: None})
    def delete(self, request: Request, style_id: UUID, image_id: UUID) -> Response:
        own_style(request, style_id)
        command = RemoveImage(style_id=style_id, artist_id=person(request).id, image_id=image_id)
        return answered(send(request, command, key_required=False), None, status=204)
