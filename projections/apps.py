"""Django's registration of `projections`."""

from django.apps import AppConfig


class ProjectionsConfig(AppConfig):
    name = "projections"
