"""How long a bench takes: the real run, or a quick one that only shows that it works."""

from dataclasses import dataclass

from benchmarks.pairs import LEAST_PAIRS


@dataclass(frozen=True, slots=True)
class Effort:
    """Rounds last `seconds`; big books have `events` events."""

    seconds: float = 3
    pairs: int = LEAST_PAIRS
    replay_events: int = 100_000  # n; memory is measured at 10 n too
    grown_events: int = 2_000_000
    jobs_on_record: int = 1_000_000
    jobs_due: int = 10_000
    deliveries: int = 500
    lag_seconds: float = 20


FULL = Effort()
QUICK = Effort(
    seconds=0.5, pairs=1, replay_events=2_000, grown_events=20_000, jobs_on_record=20_000,
    jobs_due=1_000, deliveries=20, lag_seconds=2,
)  # fmt: skip
