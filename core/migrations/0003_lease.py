"""Loads the table of task leases."""

from pathlib import Path

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("core", "0002_queue")]
    operations = [
        migrations.RunSQL(
            Path(__file__).with_suffix(".sql").read_text(), reverse_sql="DROP TABLE task_lease;"
        )
    ]
