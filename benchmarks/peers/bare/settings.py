"""Our settings, so the same server, database and authentication; nothing around the view."""

from core.settings import *  # noqa: F403 -- everything but what follows is the same

ROOT_URLCONF = "benchmarks.peers.bare.views"
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]  # it states the length of an answer
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["api.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "UNAUTHENTICATED_USER": None,
}
