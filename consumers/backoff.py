"""Pauses between tries, for every loop of `consumers` that waits for something to come back."""

import random


class Backoff:
    """Pauses that double with each failure up to a limit, with jitter."""

    def __init__(self, min_seconds: float = 0.1, max_seconds: float = 5.0) -> None:
        self._min_seconds = min_seconds
        self._max_seconds = max_seconds
        self._seconds = min_seconds

    def reset(self) -> None:
        """Begin anew after a success."""
        self._seconds = self._min_seconds

    def next_seconds(self) -> float:
        """Return how long to pause now: half to all of the current step."""
        step = self._seconds
        self._seconds = min(step * 2, self._max_seconds)
        return step * random.uniform(0.5, 1.0)  # noqa: S311  # jitter, no secret


def failed_work_seconds(attempts: int) -> float:
    """Return how long work that failed `attempts` times before rests: 50 ms doubling to 10 s."""
    return min(0.05 * 2.0 ** min(attempts, 20), 10.0)
