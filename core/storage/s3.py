"""Object storage in S3, or in any server that speaks its protocol."""

import base64
import contextlib
import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.utils.http import content_disposition_header

from core.storage.interface import (
    MAX_OBJECT_BYTES,
    ContentDiffers,
    ObjectMissing,
    ObjectTooLarge,
    Stat,
    StoreUnavailable,
    UploadForm,
    check_content_type,
    check_duration,
    check_kept,
    check_key,
    check_upload,
    safe_filename,
)

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import GetObjectRequestTypeDef

_MISSING = {"404", "NoSuchKey"}
_TAKEN = {"PreconditionFailed", "ConditionalRequestConflict"}


class S3Store:
    """A bucket; the server checks the limits of a form and the checksums that we send."""

    def __init__(
        self,
        *,
        bucket: str,
        endpoint_url: str | None,
        access_key_id: str | None,
        secret_access_key: str | None,
        region: str,
    ) -> None:
        self._bucket = bucket
        self._client: S3Client = boto3.client(
            "s3",
            endpoint_url=endpoint_url,
            aws_access_key_id=access_key_id,
            aws_secret_access_key=secret_access_key,
            region_name=region,
            config=_config(is_own_server=endpoint_url is not None),
        )

    def create(self) -> None:
        """Make the bucket if it is missing."""
        with _failures():
            try:
                self._client.head_bucket(Bucket=self._bucket)
            except ClientError as error:
                if error.response["Error"]["Code"] not in _MISSING | {"NoSuchBucket"}:
                    raise
                self._client.create_bucket(Bucket=self._bucket)

    def put(self, key: str, data: bytes, content_type: str) -> None:
        """Write `data` under `key`, over what was there."""
        _check_content(data, content_type)
        with _failures():
            self._client.put_object(
                Bucket=self._bucket,
                Key=check_key(key),
                Body=data,
                ContentType=content_type,
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=_base64_sha256(data),
            )

    def keep(self, key: str, data: bytes, content_type: str) -> None:
        """Write checked bytes under `key` for good; see Store.keep.

        The look before the write serves servers that ignore If-None-Match.
        """
        check_kept(key)
        _check_content(data, content_type)
        if self.head(key) is None:
            try:
                self._put_once(key, data, content_type)
            except ContentDiffers:  # the name was taken meanwhile
                pass
            else:
                return
        if hashlib.sha256(self.read(key, MAX_OBJECT_BYTES)).digest() != _sha256(data):
            raise ContentDiffers

    def read(self, key: str, limit_bytes: int) -> bytes:
        """Return the object; raises ObjectMissing, ObjectTooLarge over `limit_bytes`."""
        with _failures():
            answer = self._client.get_object(Bucket=self._bucket, Key=check_key(key))
            with contextlib.closing(answer["Body"]) as body:
                if answer["ContentLength"] > limit_bytes:
                    raise ObjectTooLarge
                return body.read()

    def head(self, key: str) -> Stat | None:
        """Return the object's size and checksum, or None when it is missing."""
        try:
            with _failures():
                answer = self._client.head_object(
                    Bucket=self._bucket, Key=check_key(key), ChecksumMode="ENABLED"
                )
        except ObjectMissing:
            return None
        return Stat(
            bytes=answer["ContentLength"], sha256=_hex_sha256(answer.get("ChecksumSHA256", ""))
        )

    def delete(self, key: str) -> None:
        """Remove the object; a missing one is no error."""
        with _failures():
            self._client.delete_object(Bucket=self._bucket, Key=check_key(key))

    def upload_form(
        self,
        key: str,
        *,
        max_bytes: int,
        content_type: str,
        expires_seconds: int,
        sha256: str | None = None,
    ) -> UploadForm:
        """Return a form for one upload; see Store.upload_form."""
        check_upload(
            key=key,
            max_bytes=max_bytes,
            content_type=content_type,
            expires_seconds=expires_seconds,
            sha256=sha256,
        )
        fields = {"Content-Type": content_type}
        if sha256:
            fields["x-amz-checksum-algorithm"] = "SHA256"
            fields["x-amz-checksum-sha256"] = base64.b64encode(bytes.fromhex(sha256)).decode()
        with _failures():
            form = self._client.generate_presigned_post(
                self._bucket,
                key,
                Fields=dict(fields),
                Conditions=[
                    ["content-length-range", 1, max_bytes],
                    *({name: value} for name, value in fields.items()),
                ],
                ExpiresIn=expires_seconds,
            )
        return {"url": form["url"], "fields": form["fields"]}

    def download_url(
        self,
        key: str,
        *,
        expires_seconds: int,
        filename: str | None = None,
        content_type: str | None = None,
    ) -> str:
        """Return a link for reading; see Store.download_url."""
        check_duration(expires_seconds)
        wanted: GetObjectRequestTypeDef = {"Bucket": self._bucket, "Key": check_key(key)}
        if content_type:
            check_content_type(content_type)
            wanted["ResponseContentType"] = content_type
        if filename:
            disposition = content_disposition_header(True, safe_filename(filename))
            wanted["ResponseContentDisposition"] = disposition or "attachment"
        with _failures():
            return self._client.generate_presigned_url(
                "get_object", Params=dict(wanted), ExpiresIn=expires_seconds
            )

    def _put_once(self, key: str, data: bytes, content_type: str) -> None:
        """Write unless the name is taken: raises ContentDiffers then."""
        with _failures():
            self._client.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=data,
                ContentType=content_type,
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=_base64_sha256(data),
                IfNoneMatch="*",
            )


def _config(*, is_own_server: bool) -> Config:
    """Return limits for every wait and retry; own servers are addressed by path, not by host."""
    return Config(
        signature_version="s3v4",
        connect_timeout=3,
        read_timeout=20,
        retries={"mode": "standard", "total_max_attempts": 3},
        max_pool_connections=32,
        s3={"addressing_style": "path" if is_own_server else "virtual"},
        # Other servers do not know the newer default checksums; we send SHA-256 ourselves.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )


def _check_content(data: bytes, content_type: str) -> None:
    check_content_type(content_type)
    if len(data) > MAX_OBJECT_BYTES:
        raise ObjectTooLarge


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _base64_sha256(data: bytes) -> str:
    return base64.b64encode(_sha256(data)).decode()


def _hex_sha256(checksum: str) -> str | None:
    """Return S3's checksum as hex, None for none or for one of parts (`...-3`)."""
    return base64.b64decode(checksum).hex() if len(checksum) == 44 else None


@contextlib.contextmanager
def _failures() -> Iterator[None]:
    """Tell what the server or the network says in the words of the store."""
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _MISSING:
            raise ObjectMissing from error
        if code in _TAKEN:
            raise ContentDiffers from error
        raise StoreUnavailable from error
    except BotoCoreError as error:
        raise StoreUnavailable from error
