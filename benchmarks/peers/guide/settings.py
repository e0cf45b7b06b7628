"""Settings of the guide's project: PostgreSQL at DATABASE_URL, nothing else."""

import os

from psycopg2.extensions import parse_dsn

_dsn = parse_dsn(os.environ["DATABASE_URL"])

SECRET_KEY = "bench"
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "benchmarks.peers.guide.apps.GuideConfig",
]
AUTH_USER_MODEL = "guide.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _dsn["dbname"],
        "USER": _dsn.get("user", ""),
        "PASSWORD": _dsn.get("password", ""),
        "HOST": _dsn.get("host", ""),
        "PORT": _dsn.get("port", ""),
        "CONN_MAX_AGE": None,
    }
}
MIGRATION_MODULES = {"auth": None, "contenttypes": None}  # all tables by --run-syncdb
