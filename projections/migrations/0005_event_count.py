"""Loads the table of events by type."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("projections", "0004_disputed_key")]
    operations = [migrations.RunSQL((SQL / "event_count.sql").read_text())]
