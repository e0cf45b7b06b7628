"""Django's registration of `consumers`."""

from django.apps import AppConfig


class ConsumersConfig(AppConfig):
    name = "consumers"
