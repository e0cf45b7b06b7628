"""Loads the book's tables, functions, triggers and grants from ledger/book/sql."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"
FILES = [
    "tables.sql",
    "hash_event_v1.sql",
    "create_book_v1.sql",
    "account_shard_v1.sql",
    "load_v1.sql",
    "append_events_v1.sql",
    "refuse_changes_v1.sql",
    "grants.sql",
]


class Migration(migrations.Migration):
    initial = True
    operations = [migrations.RunSQL((SQL / name).read_text()) for name in FILES]
