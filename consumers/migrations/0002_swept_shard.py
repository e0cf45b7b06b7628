from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("consumers", "0001_relay")]
    operations = [
        migrations.CreateModel(
            name="SweptShard",
            fields=[
                ("shard", models.SmallIntegerField(primary_key=True, serialize=False)),
                ("position", models.BigIntegerField(default=0)),
            ],
            options={"db_table": "swept_shard"},
        ),
    ]
