"""Loads the column that tells a disputed payment from the others of its purchase."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("projections", "0003_due")]
    operations = [migrations.RunSQL((SQL / "disputed_key.sql").read_text())]
