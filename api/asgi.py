"""The server's entry: `uvicorn api.asgi:application`."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "core.settings")
django.setup(set_prefix=False)

from api.body_limit import BodyLimit  # noqa: E402 - it needs Django's settings
from api.threads import ThreadedHandler  # noqa: E402 - it needs Django's settings

application = BodyLimit(ThreadedHandler())
