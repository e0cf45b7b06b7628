"""A worker's secret is shown once, kept wrapped, and overlaps with the next one."""

from uuid import uuid4

import pytest
from django.db import IntegrityError

from core.models import Worker
from core.workers import create_worker, find_worker, revoke_worker, rotate_secret

pytestmark = pytest.mark.usefixtures("database")


def secrets_of(worker: Worker) -> list[str]:
    found = find_worker(worker.id)
    assert found is not None
    return found[1]


def test_a_worker_is_found_with_its_secret() -> None:
    worker, secret = create_worker("painter")

    assert secret.startswith("whsec_")
    assert secrets_of(worker) == [secret]


def test_the_secret_is_not_in_the_table() -> None:
    _, secret = create_worker("painter")

    assert secret.encode() not in bytes(Worker.objects.get().secret)


def test_a_name_is_given_once() -> None:
    create_worker("painter")

    with pytest.raises(IntegrityError):
        create_worker("painter")


def test_two_secrets_are_valid_during_a_rotation() -> None:
    worker, first = create_worker("painter")

    second = rotate_secret(worker.id)

    assert secrets_of(worker) == [second, first]


def test_the_former_secret_ends_with_the_overlap() -> None:
    worker, _ = create_worker("painter")

    second = rotate_secret(worker.id, overlap_seconds=0)

    assert secrets_of(worker) == [second]


def test_a_revoked_or_unknown_worker_is_not_found() -> None:
    worker, _ = create_worker("painter")

    assert revoke_worker(worker.id)
    assert not revoke_worker(worker.id)
    assert find_worker(worker.id) is None
    assert find_worker(uuid4()) is None
    with pytest.raises(Worker.DoesNotExist):
        rotate_secret(worker.id)
