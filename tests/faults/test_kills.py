"""A kill before and after every commit, publish, acknowledgement, upload and callback (G12).

Each is a real SIGKILL of a real process. Whoever comes next does what is always done: sends the
same request again, takes the delivery again, looks for what is due; and all ends as undisturbed.
"""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from audit import snapshot, verify
from tests.databases import Database
from tests.faults.flows import FLOWS

LONGEST_SECONDS = 120
# What each flow must cross at least, so that no table of kills is empty by mistake.
EXPECTED = {
    "request": {"commit", "publish", "checkpoint"},
    "started": {"take", "claim", "callback", "commit", "acknowledge"},
    "progress": {"callback", "commit", "lease"},
    "complete": {"upload", "outbox", "callback", "keep", "commit", "forget"},
    "complete by queue": {"upload", "publish", "take", "callback", "commit", "acknowledge"},
    "found in the store": {"projection", "keep", "commit"},
    "late": {"upload", "outbox", "callback", "keep", "commit", "forget"},
    "accept late": {"keep", "commit"},
}


@pytest.fixture(scope="module")
def killer(shared_database: Database) -> Iterator[subprocess.Popen[str]]:
    """Yield the process that runs flows and forks for every kill."""
    brief = {
        "GENERATION_LEASE_SECONDS": "0.05", "TRAINING_LEASE_SECONDS": "0.05",
        "GENERATION_RETRY_SECONDS": "0.01,0.01,0.01", "CLEARING_SECONDS": "0.01",
        "LOG_LEVEL": "ERROR",
    }  # fmt: skip
    with subprocess.Popen(
        [sys.executable, "-m", "tests.faults.flows"],
        env=shared_database.env | brief,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("flow", FLOWS)
def test_whoever_is_killed_at_any_step_of_a_flow_it_ends_as_undisturbed(
    killer: subprocess.Popen[str], flow: str
) -> None:
    """G5, G6, G7, G8, G12; I1-I8, I11-I13."""
    assert killer.stdin is not None
    assert killer.stdout is not None
    killer.stdin.write(f"{flow}\n")
    killer.stdin.flush()

    answer = json.loads(killer.stdout.readline())

    assert not answer["problems"], "\n".join(answer["problems"])
    crossed = {crossing for act in answer["crossed"].values() for crossing in act}
    expected = EXPECTED.get(flow, {"commit"})
    assert crossed >= {f"{when} {name}" for name in expected for when in ("before", "after")}
    assert list(verify.violations(snapshot.take())) == []
