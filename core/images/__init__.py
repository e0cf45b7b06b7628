"""Checks of pictures and results that others made: every byte is hostile until checked here."""

from core.images.outline import PictureRefused
from core.images.picture import (
    MAX_PICTURE_BYTES,
    MAX_PIXELS,
    MIN_SIDE_PIXELS,
    Picture,
    check_picture,
)
from core.images.results import MAX_RESULT_BYTES, ResultInvalid, check_model, check_result

__all__ = [
    "MAX_PICTURE_BYTES",
    "MAX_PIXELS",
    "MAX_RESULT_BYTES",
    "MIN_SIDE_PIXELS",
    "Picture",
    "PictureRefused",
    "ResultInvalid",
    "check_model",
    "check_picture",
    "check_result",
]
