"""Loads the index by which expired balances are found."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("book", "0001_book")]
    operations = [migrations.RunSQL((SQL / "expiring_balance.sql").read_text())]
