"""Loads the table in which refusals are counted."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("book", "0002_expiring_balance")]
    operations = [migrations.RunSQL((SQL / "refusal_count.sql").read_text())]
