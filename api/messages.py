"""What people read beside an error's code, in English and Korean; codes are never translated.

Rules of the ledger and refusals of the object store state their English in their docstrings.
"""

import gettext
from pathlib import Path

import rest_framework
from django.utils import translation
from django.utils.translation import trans_real

from api.korean import KOREAN
from core.refusals import ENGLISH
from ledger.requests import UNKNOWN_COLOUR

# Code -> (English, Korean).
MESSAGES: dict[str, tuple[str, str]] = {
    "already_artist": (
        "This account is an artist's already.",
        "이미 작가 권한을 보유하고 있습니다.",
    ),
    "artist_only": (
        "Only artists can perform this action.",
        "작가만 이 작업을 수행할 수 있습니다.",
    ),
    "auditor_only": (
        "Only auditors can perform this action.",
        "감사자만 이 작업을 수행할 수 있습니다.",
    ),
    "bad_request": ("The request cannot be understood.", "요청을 이해할 수 없습니다."),
    "csrf_failed": (
        "A session's write needs the CSRF cookie's value in X-CSRFToken.",
        "세션으로 쓰려면 X-CSRFToken 헤더에 CSRF 쿠키 값이 필요합니다.",
    ),
    "idempotency_key_invalid": (
        "Idempotency-Key must be 1 to 255 visible ASCII characters.",
        "Idempotency-Key는 1~255자의 출력 가능한 ASCII 문자여야 합니다.",
    ),
    "idempotency_key_required": (
        "This request needs an Idempotency-Key header.",
        "이 요청에는 Idempotency-Key 헤더가 필요합니다.",
    ),
    "internal_error": (ENGLISH["internal_error"], "서버 내부 오류가 발생했습니다."),
    "invalid_api_key": (
        "The API key is unknown, expired or revoked.",
        "API 키가 없거나 만료되었거나 폐기되었습니다.",
    ),
    "invalid_credentials": (
        "The user name or the password is wrong.",
        "사용자 이름 또는 비밀번호가 올바르지 않습니다.",
    ),
    "invalid_fields": (ENGLISH["invalid_fields"], "올바르지 않은 필드가 있습니다."),
    "invalid_signature": (
        "The signature is missing, wrong or too old.",
        "서명이 없거나 올바르지 않거나 너무 오래되었습니다.",
    ),
    "json_too_deep": (
        ENGLISH["json_too_deep"],
        "본문의 중첩이 너무 깊습니다.",
    ),
    "job_type_not_allowed": (
        "This worker may not take jobs of this type.",
        "이 작업자는 이 유형의 작업을 맡을 수 없습니다.",
    ),
    "ledger_position_invalid": (
        "Ledger-Position must be positions like 7-1234, joined by commas.",
        "Ledger-Position은 7-1234 형식의 위치를 쉼표로 이은 값이어야 합니다.",
    ),
    "malformed_json": (
        ENGLISH["malformed_json"],
        "본문이 올바른 UTF-8 JSON이 아닙니다.",
    ),
    "malformed_request": ("The body cannot be read.", "본문을 읽을 수 없습니다."),
    "method_not_allowed": (
        "This path does not answer that method.",
        "이 경로에서 허용되지 않는 메서드입니다.",
    ),
    "metrics_token_needed": (
        "Send the token of the metrics: Authorization: Bearer ...",
        "지표를 읽으려면 토큰이 필요합니다: Authorization: Bearer ...",
    ),
    "not_acceptable": (
        "This path cannot answer in an accepted media type.",
        "요청한 형식으로 응답할 수 없습니다.",
    ),
    "not_authenticated": (
        "Sign in, or send an API key: Authorization: Bearer ...",
        "로그인이 필요합니다. 또는 API 키를 보내 주세요: Authorization: Bearer ...",
    ),
    "not_found": (
        "There is no such thing, or it is not visible to you.",
        "존재하지 않거나 볼 수 없는 대상입니다.",
    ),
    "not_ready": ("The server is not ready.", "서버가 아직 준비되지 않았습니다."),
    "operator_only": (
        ENGLISH["operator_only"],
        "운영자만 이 작업을 수행할 수 있습니다.",
    ),
    "payload_too_large": ("The body is too large.", "본문이 너무 큽니다."),
    "permission_denied": (
        "You may not perform this action.",
        "이 작업을 수행할 권한이 없습니다.",
    ),
    "projection_behind": (
        "What you wrote is not shown yet; try again.",
        "기록한 내용이 아직 반영되지 않았습니다. 다시 시도해 주세요.",
    ),
    "scope_missing": (
        ENGLISH["scope_missing"],
        "이 API 키에는 해당 작업에 필요한 범위가 없습니다.",
    ),
    "throttled": ("Too many requests; wait.", "요청이 너무 많습니다. 잠시 기다려 주세요."),
    "too_many_keys": (
        "This account has as many API keys as it may have.",
        "이 계정은 더 이상 API 키를 만들 수 없습니다.",
    ),
    "training_started": ("Training started", "학습이 시작되었습니다."),
    "upload_missing": (
        "Nothing was uploaded for this image yet.",
        "이 이미지에 업로드된 파일이 아직 없습니다.",
    ),
    "maintenance": (
        "The service is being maintained: no new jobs for now, running ones go on.",
        "서비스 점검 중입니다. 새 작업은 잠시 받지 않으며 진행 중인 작업은 계속됩니다.",
    ),
    "unavailable": (
        "The service is briefly unavailable; try again.",
        "서비스를 잠시 사용할 수 없습니다. 다시 시도해 주세요.",
    ),
    "unsupported_media_type": (
        "The body's content type is not accepted here.",
        "지원하지 않는 본문 형식입니다.",
    ),
    "user_only": (
        ENGLISH["user_only"],
        "사용자와 작가만 이 작업을 수행할 수 있습니다.",
    ),
    "webhook_id_reused": (
        "This webhook-id was used for another body.",
        "이 webhook-id는 이미 다른 본문에 사용되었습니다.",
    ),
    "worker_not_proven": (
        "The worker's signature or token is missing, wrong or too old.",
        "작업자의 서명 또는 토큰이 없거나 올바르지 않거나 만료되었습니다.",
    ),
}

# Codes of field errors that this package adds to REST framework's own.
FIELD_MESSAGES: dict[str, tuple[str, str]] = {
    "required": (
        "This field is required.",
        "필수 항목입니다.",
    ),
    "duplicate_image": (
        "The same picture was sent twice.",
        "같은 그림이 두 번 전송되었습니다.",
    ),
    "unknown_field": (
        ENGLISH["unknown_field"],
        "존재하지 않는 필드입니다.",
    ),
    "unknown_family": (
        "The server knows no such family of models.",
        "서버가 알지 못하는 모델 계열입니다.",
    ),
    "unknown_colour": (
        UNKNOWN_COLOUR,
        "토큰 종류는 paid, promo 또는 만료일이 있는 promo입니다.",
    ),
    "control_characters": (
        ENGLISH["control_characters"],
        "제어 문자는 사용할 수 없습니다.",
    ),
    "invalid_cursor": (
        "This cursor was not given out by this list.",
        "이 목록에서 발급한 커서가 아닙니다.",
    ),
    "invalid_integer": (
        ENGLISH["invalid_integer"],
        "문자열이나 소수가 아닌 정수가 필요합니다.",
    ),
    "invalid_limit": (
        "The limit must be a whole number from 1 to 100.",
        "limit은 1~100의 정수여야 합니다.",
    ),
    "invalid_string": (ENGLISH["invalid_string"], "문자열이 필요합니다."),
    "invalid_tag": (
        "A tag has 1 to 30 letters, digits, _ and - only.",
        "태그는 1~30자의 문자, 숫자, _ 와 - 만 사용할 수 있습니다.",
    ),
    "invalid_username": (
        "A user name has letters, digits and _ . + - only.",
        "사용자 이름에는 문자, 숫자, _ . + - 만 사용할 수 있습니다.",
    ),
    "invalid_uuid": (ENGLISH["invalid_uuid"], "UUID가 필요합니다."),
    "in_the_past": ("This time has passed.", "이미 지난 시각입니다."),
    "mismatch": ("This is not the account's address.", "계정의 이메일 주소와 다릅니다."),
    "not_an_image": ("The file is not a picture.", "이미지 파일이 아닙니다."),
    "outlives_key": (
        "The new key may not outlive the key that makes it.",
        "새 키는 이를 만든 키보다 늦게 만료될 수 없습니다.",
    ),
    "taken": ("This is taken.", "이미 사용 중입니다."),
    "too_many_images": (
        "A style has 100 training images at most.",
        "스타일의 학습 이미지는 최대 100장입니다.",
    ),
    "too_many_pixels": (
        "The picture has more than 40 megapixels.",
        "이미지가 4천만 화소를 넘습니다.",
    ),
    "too_small": (
        "Each side needs at least 512 pixels.",
        "가로와 세로가 각각 512픽셀 이상이어야 합니다.",
    ),
    "undecodable": ("The picture is damaged or cut.", "이미지가 손상되었거나 잘렸습니다."),
    "unsupported_format": (
        "Only plain JPEG and PNG pictures are taken.",
        "JPEG와 PNG 이미지만 사용할 수 있습니다.",
    ),
}


def is_korean() -> bool:
    """Return whether the reader's Accept-Language was settled as Korean."""
    return (translation.get_language() or "").startswith("ko")


def message(code: str, *, default: str = "") -> str:
    """Return the reader's text for `code`; a rule of the ledger brings its English as `default`."""
    english, korean = MESSAGES.get(code) or FIELD_MESSAGES.get(code) or ("", KOREAN.get(code, ""))
    return korean if is_korean() and korean else default or english or code


def load_korean() -> None:
    """Add REST framework's Korean texts, kept as `ko_KR`, to what `ko` readers get."""
    folder = Path(rest_framework.__file__).parent / "locale"
    catalogue = gettext.translation("django", localedir=folder, languages=["ko_KR"])
    trans_real.translation("ko").merge(catalogue)
