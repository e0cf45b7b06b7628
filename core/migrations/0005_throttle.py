"""Loads the table of what throttles count."""

from pathlib import Path

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("core", "0004_maintenance")]
    operations = [
        migrations.RunSQL(
            Path(__file__).with_suffix(".sql").read_text(), reverse_sql="DROP TABLE throttle;"
        )
    ]
