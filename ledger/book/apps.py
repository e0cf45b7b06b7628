"""Django's registration of the book's tables and functions."""

from django.apps import AppConfig


class BookConfig(AppConfig):
    name = "ledger.book"
    label = "book"
