"""Tables of `consumers`: how far each shard is published and its objects are cleared away."""

from django.db import models


class RelayShard(models.Model):
    """One shard of the book as the relay sees it; `holder` publishes it until `leased_until`."""

    shard = models.SmallIntegerField(primary_key=True)
    position = models.BigIntegerField(default=0)
    holder = models.UUIDField(null=True)
    leased_until = models.DateTimeField(null=True)

    class Meta:
        db_table = "relay_shard"

    def __str__(self) -> str:
        return f"{self.shard}-{self.position}"


class SweptShard(models.Model):
    """One shard of the book: up to where no object is left that nobody can need."""

    shard = models.SmallIntegerField(primary_key=True)
    position = models.BigIntegerField(default=0)

    class Meta:
        db_table = "swept_shard"

    def __str__(self) -> str:
        return f"{self.shard}-{self.position}"
