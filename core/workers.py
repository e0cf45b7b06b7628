"""Credentials of AI workers: the secret by which a worker signs what it sends.

The secret has the form of Standard Webhooks (`whsec_...`) and is kept wrapped by MASTER_KEY,
because checking a signature needs the secret itself. During a rotation two are valid.
"""

import base64
import secrets
from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from core.ids import new_id
from core.models import Worker
from core.sealing import unwrap, wrap

PREFIX = "whsec_"
JOB_TYPES = ("model_training", "image_generation")
OVERLAP_SECONDS = 24 * 3600.0


def task_queue(job_type: str, family: str | None) -> str:
    """Return the queue of tasks of a type, whose models are of `family` or of none."""
    return f"{job_type}.{family}" if family and job_type == "image_generation" else job_type


def create_worker(name: str, *, job_types: Iterable[str] = JOB_TYPES) -> tuple[Worker, str]:
    """Store a new worker; return it and its secret, which is never shown again.

    Raises IntegrityError when the name is taken.
    """
    worker_id, secret = new_id(), _draw()
    worker = Worker.objects.create(
        id=worker_id,
        name=name,
        job_types=sorted(job_types),
        secret=wrap(secret.encode(), worker_id.bytes),
    )
    return worker, secret


def rotate_secret(worker_id: UUID, *, overlap_seconds: float = OVERLAP_SECONDS) -> str:
    """Give the worker a new secret; the present one stays valid for `overlap_seconds`.

    Raises Worker.DoesNotExist for an unknown or revoked worker.
    """
    secret = _draw()
    with transaction.atomic():
        worker = Worker.objects.select_for_update().get(id=worker_id, revoked_at=None)
        worker.previous_secret = worker.secret
        worker.previous_valid_until = timezone.now() + timedelta(seconds=overlap_seconds)
        worker.secret = wrap(secret.encode(), worker_id.bytes)
        worker.save(update_fields=["secret", "previous_secret", "previous_valid_until"])
    return secret


def revoke_worker(worker_id: UUID) -> bool:
    """Make the worker's secrets invalid from now on; False if there was no such live worker."""
    live = Worker.objects.filter(id=worker_id, revoked_at=None)
    return bool(live.update(revoked_at=timezone.now()))


def find_worker(worker_id: UUID) -> tuple[Worker, list[str]] | None:
    """Return a live worker and the secrets by which it may sign now, newest first; else None."""
    worker = Worker.objects.filter(id=worker_id, revoked_at=None).first()
    if worker is None:
        return None
    wrapped = [worker.secret]
    until = worker.previous_valid_until
    if worker.previous_secret is not None and until is not None and until > timezone.now():
        wrapped.append(worker.previous_secret)
    return worker, [unwrap(bytes(one), worker_id.bytes).decode() for one in wrapped]


def _draw() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()
