"""Django's registration of the guide's tables."""

from django.apps import AppConfig


class GuideConfig(AppConfig):
    name = "benchmarks.peers.guide"
    label = "guide"
