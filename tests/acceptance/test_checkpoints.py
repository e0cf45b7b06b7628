"""A training whose worker is killed goes on from its checkpoint, over HTTP from end to end."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from consumers import timers
from core.models import Role
from core.workers import create_worker
from ledger.domain.job import JobStatus
from ledger.terms import terms
from projections.follow import catch_up
from tests.acceptance.resuming_worker import EPOCH
from tests.acceptance.test_main_job import account, drafted_style, publish, web_url
from tests.integration.consumers.conftest import wait_until
from tests.jobs import balance, state_of

__all__ = ["publish", "web_url"]
SECONDS = 60


@pytest.fixture
def _brisk(settings: Settings) -> Iterator[None]:
    settings.TRAINING_LEASE_SECONDS = 3
    settings.TRAINING_RETRY_SECONDS = (0.01,) * 3
    terms.cache_clear()
    yield
    terms.cache_clear()


@pytest.mark.usefixtures("_brisk")
def test_a_killed_trainings_next_attempt_goes_on_from_its_checkpoint(
    publish: Callable[[], None], web_url: str, tmp_path: Path
) -> None:
    """G5, G12: one capture, whoever did which part of the work."""
    artist = account("ada", Role.ARTIST)
    style = drafted_style(artist)
    train = f"/api/styles/{style}/train/"
    ordered = artist("POST", train, {}, headers={"Idempotency-Key": "t"}).json()
    stream = f"training-{ordered['training_id']}"
    worker, secret = create_worker("trainer")
    publish()

    def job() -> Any:
        return state_of(stream).job

    def work() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.acceptance.resuming_worker", "--once"),
                *("--url", web_url, "--worker-id", str(worker.id), "--state-dir", str(tmp_path)),
            ],
            env={"WORKER_SECRET": secret, "PYTHONPATH": "."},
            stderr=subprocess.PIPE,
            text=True,
        )

    def is_queued_again() -> bool:
        catch_up()
        timers.run_once()
        return bool(job().attempt == 2 and job().status is JobStatus.QUEUED)

    with work() as first:
        try:
            assert wait_until(lambda: job().checkpoint is not None, SECONDS)
        finally:
            first.kill()
    assert job().checkpoint.epoch == EPOCH
    time.sleep(0.1)
    assert wait_until(is_queued_again, SECONDS)
    publish()
    with work() as second:
        errors = second.communicate(timeout=SECONDS)[1]

    assert (second.returncode, job().status) == (0, JobStatus.COMPLETED), errors
    assert balance(artist.user.id) == (100, 0)
