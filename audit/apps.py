"""Django's registration of `audit`."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "audit"
