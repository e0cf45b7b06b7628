"""Object storage: pictures, models and results, in S3 or in a local folder (design section 13).

Ask `store()` for the one that the settings name; all callers see the same interface.
"""

from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from core.storage.interface import (
    MAX_OBJECT_BYTES,
    UPLOADS,
    ContentDiffers,
    KeyInvalid,
    LinkExpired,
    LinkInvalid,
    ObjectMissing,
    ObjectTooLarge,
    Stat,
    StorageError,
    Store,
    StoreUnavailable,
    UploadForm,
)
from core.storage.links import derive_secret
from core.storage.local import LocalStore

__all__ = [
    "MAX_OBJECT_BYTES",
    "UPLOADS",
    "ContentDiffers",
    "KeyInvalid",
    "LinkExpired",
    "LinkInvalid",
    "LocalStore",
    "ObjectMissing",
    "ObjectTooLarge",
    "Stat",
    "StorageError",
    "Store",
    "StoreUnavailable",
    "UploadForm",
    "local_store",
    "store",
]


def store() -> Store:
    """Return the object store: S3 when S3_BUCKET is set, else the folder STATE_DIR/files.

    Raises ImproperlyConfigured when S3 is set in part: nothing falls back silently.
    """
    if settings.S3_BUCKET:
        return _s3_store(
            settings.S3_BUCKET,
            settings.S3_ENDPOINT_URL,
            settings.S3_ACCESS_KEY_ID,
            settings.S3_SECRET_ACCESS_KEY,
            settings.S3_REGION,
        )
    if settings.S3_ENDPOINT_URL or settings.S3_ACCESS_KEY_ID or settings.S3_SECRET_ACCESS_KEY:
        raise ImproperlyConfigured("S3_BUCKET must be set when other S3_* settings are.")
    return _local_store(settings.STATE_DIR, settings.PUBLIC_URL, settings.SECRET_KEY)


def local_store() -> LocalStore:
    """Return the local folder for its door `/files/{token}`; raises LinkInvalid when S3 is used."""
    chosen = store()
    if not isinstance(chosen, LocalStore):
        raise LinkInvalid
    return chosen


@lru_cache(maxsize=8)
def _local_store(state_dir: Path, public_url: str, secret_key: str) -> LocalStore:
    return LocalStore(
        root=state_dir / "files", public_url=public_url, secret=derive_secret(secret_key)
    )


@lru_cache(maxsize=8)
def _s3_store(bucket: str, endpoint: str, access: str, secret: str, region: str) -> Store:
    from core.storage.s3 import S3Store  # boto3 takes half a second to import

    return S3Store(
        bucket=bucket,
        endpoint_url=endpoint or None,
        access_key_id=access or None,
        secret_access_key=secret or None,
        region=region,
    )
