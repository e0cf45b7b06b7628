"""Tables of `core`: people, their keys and the credentials of machines. No token word here."""

from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower

from core.ids import new_id


class Role(models.TextChoices):
    USER = "user"
    ARTIST = "artist"
    OPERATOR = "operator"
    AUDITOR = "auditor"


class User(AbstractBaseUser):
    """One person who signs in; the book knows only the id."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    username = models.CharField(max_length=150)
    email = models.EmailField(max_length=254)
    role = models.CharField(max_length=16, choices=Role, default=Role.USER)
    artist_name = models.CharField(max_length=100, blank=True)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["email"]
    objects = BaseUserManager["User"]()

    class Meta:
        constraints = [
            models.UniqueConstraint(Lower("username"), name="user_username_is_unique"),
            models.UniqueConstraint(Lower("email"), name="user_email_is_unique"),
        ]

    def __str__(self) -> str:
        return str(self.id)


class ApiKey(models.Model):
    """A bearer key of a user: 256 random bits, of which only the SHA-256 is kept."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=100, blank=True)
    digest = models.CharField(max_length=64, unique=True)
    scopes = ArrayField(models.CharField(max_length=50), default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return str(self.id)


class Worker(models.Model):
    """Credentials of one AI worker; secrets wrapped by MASTER_KEY, two valid in rotation."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=100, unique=True)
    job_types = ArrayField(models.CharField(max_length=50), default=list)
    secret = models.BinaryField()
    previous_secret = models.BinaryField(null=True)
    previous_valid_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return str(self.id)


class PersonKey(models.Model):
    """The key that seals one person's text, wrapped by MASTER_KEY; destroyed on erasure (G14)."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user_id = models.UUIDField(unique=True)
    wrapped = models.BinaryField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    erased_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "person_key"

    def __str__(self) -> str:
        return str(self.id)
