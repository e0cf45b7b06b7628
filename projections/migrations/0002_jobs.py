"""Loads the tables of styles, jobs and purchases from projections/sql."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"
FILES = ["style.sql", "job.sql", "purchase.sql"]


class Migration(migrations.Migration):
    dependencies = [("projections", "0001_statement")]
    operations = [migrations.RunSQL((SQL / name).read_text()) for name in FILES]
