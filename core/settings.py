"""Every setting of the system, read from the environment (design section 13)."""

import contextlib
import re
import secrets
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from environs import Env
from psycopg2.extensions import parse_dsn

from core.throttles import Rate

env = Env()
BASE_DIR = Path(__file__).resolve().parent.parent

ENVIRONMENT: str = env.str("ENVIRONMENT", "development")
PRODUCTION: bool = ENVIRONMENT == "production"
DEBUG = False
STATE_DIR: Path = env.path("STATE_DIR", BASE_DIR / ".state").absolute()
PORT: int = env.int("PORT", 8000)
PUBLIC_URL: str = env.str("PUBLIC_URL", f"http://127.0.0.1:{PORT}").rstrip("/")
LOG_LEVEL: str = env.str("LOG_LEVEL", "INFO")


def secret(name: str) -> str:
    """Return the secret `name` from the environment, in development else from STATE_DIR.

    Raises ImproperlyConfigured in production when the environment lacks it.
    """
    value = env.str(name, "")
    if value:
        return value
    if PRODUCTION:
        raise ImproperlyConfigured(f"{name} must be set in production.")
    path = STATE_DIR / "secrets" / name.lower()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_hex(32))
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)  # atomic: the first of several starting processes wins
        draft.unlink()
    return path.read_text().strip()


SECRET_KEY = secret("SECRET_KEY")
MASTER_KEY = secret("MASTER_KEY")  # wraps the key of every person; 32 bytes as hex
PAYMENT_PROVIDER: str = env.str("PAYMENT_PROVIDER", "sandbox")
PAYMENT_WEBHOOK_SECRET = secret("PAYMENT_WEBHOOK_SECRET")
INTERNAL_API_TOKEN: str = env.str("INTERNAL_API_TOKEN", "")  # empty disables it
METRICS_TOKEN: str = env.str("METRICS_TOKEN", "")  # empty: this machine alone, in development

# Stores and brokers. Unset means the embedded default.
DATABASE_URL: str = env.str("DATABASE_URL", "")
DATABASE_OWNER_URL: str = env.str("DATABASE_OWNER_URL", DATABASE_URL)
# A node, or those of a cluster: amqp://user:password@one:5672,two:5672/vhost, or whole URLs.
AMQP_URL: str = env.str("AMQP_URL", "")
QUEUE_PREFIX: str = env.str("QUEUE_PREFIX", "")
BROKER_START_SECONDS: float = env.float("BROKER_START_SECONDS", 30.0)  # away longer: exit 2
# Kinds of models whose pictures need workers of their own, each with a queue of its own.
MODEL_FAMILIES: list[str] = env.list("MODEL_FAMILIES", [])
if wrong := [one for one in MODEL_FAMILIES if not re.fullmatch("[a-z][a-z0-9_]{0,39}", one)]:
    raise ImproperlyConfigured(f"MODEL_FAMILIES: small letters, digits and _, not {wrong}.")
# Who sends commands by the broker's word: users of the broker, and the accounts that they are.
COMMAND_SENDERS: dict[str, str] = env.dict("COMMAND_SENDERS", {})
S3_ENDPOINT_URL: str = env.str("S3_ENDPOINT_URL", "")
S3_BUCKET: str = env.str("S3_BUCKET", "")
S3_ACCESS_KEY_ID: str = env.str("S3_ACCESS_KEY_ID", "")
S3_SECRET_ACCESS_KEY: str = env.str("S3_SECRET_ACCESS_KEY", "")
S3_REGION: str = env.str("S3_REGION", "us-east-1")

if PRODUCTION and not DATABASE_URL:
    raise ImproperlyConfigured("DATABASE_URL must be set in production: no embedded database.")
if PRODUCTION and PAYMENT_PROVIDER == "sandbox":
    raise ImproperlyConfigured("PAYMENT_PROVIDER must not be 'sandbox' in production.")

# The book and its money (design section 7).
BOOK_SHARDS: int = env.int("BOOK_SHARDS", 16)
WELCOME_GRANT_TOKENS: int = env.int("WELCOME_GRANT_TOKENS", 100)
TRAINING_COST_TOKENS: int = env.int("TRAINING_COST_TOKENS", 100)
PLATFORM_FEE_BPS: int = env.int("PLATFORM_FEE_BPS", 1000)
# Packages by name: (tokens, price in USD cents).
PACKAGES: dict[str, tuple[int, int]] = {
    "starter": (500, 500),
    "plus": (2_200, 2_000),
    "studio": (6_000, 5_000),
}

# Times of the flows (design section 8); TIME_SCALE divides them in tests.
TIME_SCALE: float = env.float("TIME_SCALE", 1.0)


def scaled_seconds(name: str, default: float) -> float:
    """Return the duration setting `name` in seconds, divided by TIME_SCALE."""
    return env.float(name, default) / TIME_SCALE


def scaled_pauses(name: str, defaults: list[float]) -> tuple[float, ...]:
    """Return the durations of setting `name`, joined by commas, divided by TIME_SCALE."""
    return tuple(pause / TIME_SCALE for pause in env.list(name, defaults, subcast=float))


PURCHASE_EXPIRY_SECONDS = scaled_seconds("PURCHASE_EXPIRY_SECONDS", 15 * 60)
GENERATION_START_SECONDS = scaled_seconds("GENERATION_START_SECONDS", 15 * 60)
GENERATION_RUN_SECONDS = scaled_seconds("GENERATION_RUN_SECONDS", 10 * 60)
TRAINING_START_SECONDS = scaled_seconds("TRAINING_START_SECONDS", 6 * 3600)
TRAINING_RUN_SECONDS = scaled_seconds("TRAINING_RUN_SECONDS", 24 * 3600)
GENERATION_LEASE_SECONDS = scaled_seconds("GENERATION_LEASE_SECONDS", 60)
TRAINING_LEASE_SECONDS = scaled_seconds("TRAINING_LEASE_SECONDS", 120)
GENERATION_RETRY_SECONDS = scaled_pauses("GENERATION_RETRY_SECONDS", [5, 30, 120])
TRAINING_RETRY_SECONDS = scaled_pauses("TRAINING_RETRY_SECONDS", [60, 300, 900])
LATE_RESULT_SECONDS = scaled_seconds("LATE_RESULT_SECONDS", 86_400)
REFUND_SECONDS = scaled_seconds("REFUND_SECONDS", 7 * 86_400)
CLEARING_SECONDS = scaled_seconds("CLEARING_SECONDS", 7 * 86_400 + 3_600)
GOODWILL_SECONDS = scaled_seconds("GOODWILL_SECONDS", 90 * 86_400)
GRACE_SECONDS = scaled_seconds("GRACE_SECONDS", 60)
REPUBLISH_SECONDS = scaled_seconds("REPUBLISH_SECONDS", 120)

# How many requests may come: of one account, of one address without an account, orders of pictures
# by one account, sign-ups from one address, wrong logins to one name. "off" disables one.
DEFAULT_RATES = {
    "user": "600/min",
    "address": "120/min",
    "generations": "6/min",
    "signup": "20/hour",
    "login": "10/min",
}
THROTTLES: dict[str, Rate | None] = {
    scope: Rate.parse(env.str(name := f"THROTTLE_{scope.upper()}", rate), name)
    for scope, rate in DEFAULT_RATES.items()
}

# Django.
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", ["*"] if not PRODUCTION else [])
ROOT_URLCONF = "api.urls"
ASGI_APPLICATION = "api.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "core.User"
SILENCED_SYSTEM_CHECKS = ["auth.E003"]  # user names are unique without regard to case
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("ko", "한국어")]
STATIC_URL = "/static/"
APPEND_SLASH = False
SESSION_ENGINE = "api.sessions"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PRODUCTION
CSRF_FAILURE_VIEW = "api.errors.csrf_failed"
PASSWORD_HASHERS = ["core.passwords.BoundedArgon2"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("username", "email")},
    },
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGGING_CONFIG = "core.logs.configure"
LOGGING = {"level": LOG_LEVEL}
MAX_JSON_BYTES = 1024 * 1024
WEB_THREADS: int = env.int("WEB_THREADS", 16)  # requests at once per process, a connection each
WEB_MAX_REQUESTS: int = env.int("WEB_MAX_REQUESTS", 1000)  # accepted at once per process
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "corsheaders",
    "core",
    "ledger.book",
    "projections",
    "consumers",
    "api",
    "audit",
]
MIDDLEWARE: list[str] = [
    "api.middleware.RequestId",
    "corsheaders.middleware.CorsMiddleware",
    "api.middleware.RateLimits",
    "api.middleware.BrowserRules",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.http.ConditionalGetMiddleware",  # ETag and If-None-Match
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]

# Browser apps of other origins, as https://app.example; they send an API key, never our cookies.
CORS_ALLOWED_ORIGINS: list[str] = env.list("CORS_ALLOWED_ORIGINS", [])
CORS_URLS_REGEX = r"/(api|files)/"
CORS_ALLOW_METHODS = ("GET", "POST", "PATCH", "DELETE")
CORS_ALLOW_HEADERS = (
    "accept-language",
    "authorization",
    "content-type",
    "idempotency-key",
    "if-none-match",
    "ledger-position",
    "traceparent",
    "x-request-id",
)
CORS_EXPOSE_HEADERS = (
    "ETag",
    "Idempotent-Replayed",
    "Ledger-Position",
    "Location",
    "Retry-After",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "X-Request-ID",
)

# Who tells what `/metrics` shows: functions that yield figures (none of these packages may import
# another).
METRICS_SOURCES = ["projections.metrics.collect", "consumers.metrics.collect"]

# PostgreSQL. "default" acts as the application's role, "owner" is for `migrate` only.
_LIMITS = "-c idle_in_transaction_session_timeout=5s -c lock_timeout=2s -c statement_timeout=30s"


def database(url: str, options: str) -> dict[str, Any]:
    """Return Django's settings for the database at `url`; empty means the embedded server."""
    parsed: dict[str, str] = parse_dsn(url) if url else {}
    known = {
        "dbname": "NAME",
        "user": "USER",
        "password": "PASSWORD",
        "host": "HOST",
        "port": "PORT",
    }
    rest = {name: value for name, value in parsed.items() if name not in known}
    return {
        "ENGINE": "core.postgres",
        "EMBEDDED": not url,
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": rest | {"options": options},
    } | {field: parsed[name] for name, field in known.items() if name in parsed}


DATABASES = {
    "default": database(
        DATABASE_URL,
        f"-c role=ledger_app -c jit=off -c plan_cache_mode=force_generic_plan {_LIMITS}",
    ),
    "owner": database(DATABASE_OWNER_URL, ""),
}

REST_FRAMEWORK: dict[str, Any] = {
    "EXCEPTION_HANDLER": "api.errors.exception_handler",
    "DEFAULT_SCHEMA_CLASS": "api.schema.Schema",
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "api.authentication.ApiKeyAuthentication",
        "api.authentication.CookieAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["api.permissions.Nobody"],
    "DEFAULT_THROTTLE_CLASSES": ["api.throttling.PerCaller"],
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_PARSER_CLASSES": ["api.parsing.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "UNAUTHENTICATED_USER": None,
}

SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Token ledger",
    "DESCRIPTION": "An event-sourced token ledger for AI-image platforms.",
    "VERSION": "0.1.0",
    "SCHEMA_PATH_PREFIX": "/api/",
    "PREPROCESSING_HOOKS": ["api.schema.in_one_spelling"],
    "ENUM_NAME_OVERRIDES": {"JobStatus": "api.jobs.STATUSES"},
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "api.schema.add_shared",
    ],
}
