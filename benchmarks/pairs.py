"""Interleaved pairs: ours and the peer's turn by turn, so that a noisy machine wrongs neither."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

LEAST_PAIRS = 7


@dataclass(frozen=True, slots=True)
class Pairs:
    """What was measured turn by turn; the same number of each."""

    ours: tuple[float, ...]
    peer: tuple[float, ...]

    @property
    def ratios(self) -> list[float]:
        """Ours by the peer's, pair by pair."""
        return [mine / other for mine, other in zip(self.ours, self.peer, strict=True)]

    @property
    def ratio(self) -> float:
        """The median of the ratios."""
        return median(self.ratios)

    @property
    def spread(self) -> str:
        """The smallest and the largest ratio, in words."""
        return f"{min(self.ratios):.2f}-{max(self.ratios):.2f} over {len(self.ratios)} pairs"


def interleave(ours: Callable[[], float], peer: Callable[[], float], *, pairs: int) -> Pairs:
    """Measure `pairs` pairs, each beginning with the other side than the one before it.

    One unmeasured round of each goes before: caches and plans are warm for both.
    """
    ours()
    peer()
    mine: list[float] = []
    other: list[float] = []
    for number in range(pairs):
        if number % 2:
            other.append(peer())
            mine.append(ours())
        else:
            mine.append(ours())
            other.append(peer())
    return Pairs(tuple(mine), tuple(other))
