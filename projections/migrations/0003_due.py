"""Loads the indexes that the timers use."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("projections", "0002_jobs")]
    operations = [migrations.RunSQL((SQL / "due.sql").read_text())]
