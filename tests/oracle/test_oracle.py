"""Random schedules in which the ledger must do what a second, separate model of its rules does."""

from collections.abc import Iterator
from unittest.mock import ANY

import pytest
from coverage import Coverage

from audit import snapshot, verify
from projections.follow import catch_up
from tests.integration.audit.commands import ledger
from tests.oracle.schedules import LEAST_COMMANDS, run

pytestmark = pytest.mark.usefixtures("database", "unmeasured")

SCHEDULES = 63
SEEDS = range(8)
FEW = 20


@pytest.fixture
def unmeasured() -> Iterator[None]:
    """Measure no coverage: it would nearly double the time, and chance is no cover."""
    measuring = Coverage.current()
    if measuring:
        measuring.stop()
    yield
    if measuring:
        measuring.start()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_ledger_does_what_the_model_does(seed: int) -> None:
    """G2, G3, G4, G5, G7, G9, G12; I1-I9, I11-I13: of I9, past every deadline nothing is held."""
    tally = run(SCHEDULES, seed)
    assert tally.schedules == SCHEDULES
    assert tally.commands >= SCHEDULES * LEAST_COMMANDS
    assert list(verify.violations(snapshot.take())) == []


def test_what_is_shown_of_random_schedules_equals_a_replay() -> None:
    """G11, I10."""
    run(FEW, max(SEEDS) + 1)
    catch_up()
    assert ledger("replay") == (0, ANY)
