"""Django's registration of `api`."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "api"

    def ready(self) -> None:
        """Complete the Korean texts."""
        from api.messages import load_korean

        load_korean()
