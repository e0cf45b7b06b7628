"""`manage.py accounts` and `manage.py workers` print a key once."""

from io import StringIO
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command

from core.keys import authenticate
from core.models import User
from core.workers import find_worker

pytestmark = pytest.mark.usefixtures("database")


def run(*arguments: str) -> str:
    shown = StringIO()
    call_command(*arguments, stdout=shown, stderr=StringIO())
    return shown.getvalue()


@pytest.mark.parametrize("role", ["operator", "auditor"])
def test_an_account_is_created_and_its_key_works(role: str) -> None:
    key = run("accounts", "create", "--role", role, "eun").strip()

    found = authenticate(key)
    assert found is not None
    assert (found[0].username, found[0].role) == ("eun", role)
    assert not found[0].has_usable_password()


@pytest.mark.parametrize("role", ["user", "artist"])
def test_those_with_a_wallet_sign_up_instead(role: str) -> None:
    with pytest.raises(CommandError):
        run("accounts", "create", "--role", role, "eun")
    assert not User.objects.exists()


def test_a_taken_name_is_an_error_and_nothing_is_printed() -> None:
    run("accounts", "create", "--role", "operator", "eun")

    with pytest.raises(CommandError, match="There is an account with this name"):
        run("accounts", "create", "--role", "auditor", "EUN")


def worker_of(shown: str) -> tuple[UUID, str]:
    values = dict(line.split("=", 1) for line in shown.splitlines())
    return UUID(values["WORKER_ID"]), values["WORKER_SECRET"]


def test_a_worker_is_created_rotated_and_revoked() -> None:
    worker_id, first = worker_of(run("workers", "create", "painter"))
    same_id, second = worker_of(run("workers", "rotate", "painter"))

    found = find_worker(worker_id)
    assert found is not None
    assert same_id == worker_id
    assert found[1] == [second, first]
    assert found[0].job_types == ["image_generation", "model_training"]
    run("workers", "revoke", "painter")
    assert find_worker(worker_id) is None


def test_a_worker_may_do_one_type_of_job_only() -> None:
    worker_id, _ = worker_of(run("workers", "create", "--job-type", "model_training", "trainer"))

    found = find_worker(worker_id)
    assert found is not None
    assert found[0].job_types == ["model_training"]


def test_a_taken_or_unknown_worker_name_is_an_error() -> None:
    run("workers", "create", "painter")

    with pytest.raises(CommandError, match="There is a worker with this name"):
        run("workers", "create", "painter")
    with pytest.raises(CommandError, match="no live worker"):
        run("workers", "rotate", "nobody")
