"""The guide's tables (its section 2 and the fields that its other sections name)."""

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """A user with a balance."""

    role = models.CharField(max_length=20, default="user")
    token_balance = models.IntegerField(default=0)


class StyleModel(models.Model):
    """A style."""

    artist = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.RESTRICT, related_name="styles"
    )
    name = models.CharField(max_length=200)
    description = models.TextField()
    training_status = models.CharField(max_length=20, default="pending", db_index=True)
    generation_cost_tokens = models.IntegerField(default=100)
    model_path = models.TextField(blank=True, null=True)  # noqa: DJ001 as in the guide
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "styles"
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["training_status", "artist"]),
            models.Index(fields=["-created_at"]),
        ]

    def __str__(self) -> str:
        return self.name


class GeneratedImage(models.Model):
    """A generation."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.RESTRICT, related_name="generated_images"
    )
    style = models.ForeignKey(
        StyleModel, on_delete=models.RESTRICT, related_name="generated_images"
    )
    prompt = models.TextField()
    status = models.CharField(max_length=20, default="queued")
    progress_percent = models.IntegerField(default=0)
    estimated_seconds = models.IntegerField(null=True)
    image_url = models.TextField(blank=True, null=True)  # noqa: DJ001 as in the guide
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.prompt


class TokenTransaction(models.Model):
    """A token movement."""

    sender = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.RESTRICT, related_name="sent", null=True
    )
    receiver = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.RESTRICT, related_name="received", null=True
    )
    related_generation = models.ForeignKey(
        GeneratedImage, on_delete=models.RESTRICT, null=True, related_name="transactions"
    )
    amount = models.IntegerField()
    memo = models.TextField()
    refunded = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.memo
