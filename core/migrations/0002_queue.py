"""Loads the tables of the embedded task queue."""

from pathlib import Path

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("core", "0001_initial")]
    operations = [
        migrations.RunSQL(
            Path(__file__).with_suffix(".sql").read_text(),
            reverse_sql="DROP TABLE task_message; DROP TABLE task_queue;",
        )
    ]
