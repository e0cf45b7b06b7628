"""Loads the checkpoint and the tables of the money projections from projections/sql."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"
FILES = ["checkpoint.sql", "open_account.sql", "statement.sql"]


class Migration(migrations.Migration):
    initial = True
    operations = [migrations.RunSQL((SQL / name).read_text()) for name in FILES]
