"""A bench's figures: what goes into latest.json and onto the screen."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from benchmarks.pairs import Pairs

LATEST = Path(__file__).with_name("latest.json")


@dataclass(frozen=True, slots=True)
class Figure:
    """One row: `ratio` is ours by the peer's, `met` whether it reached `target`."""

    name: str
    ours: float
    peer: float
    ratio: float
    target: float
    met: bool
    unit: str
    note: str


def at_least(name: str, pairs: Pairs, *, target: float, unit: str, note: str = "") -> Figure:
    """Return the figure of `pairs`: the median of their ratios is to reach `target`."""
    return Figure(
        name=name,
        ours=round(median(pairs.ours), 1),
        peer=round(median(pairs.peer), 1),
        ratio=round(pairs.ratio, 3),
        target=target,
        met=pairs.ratio >= target,
        unit=unit,
        note="; ".join(filter(None, [f"ratio {pairs.spread}", note])),
    )


def at_most(
    name: str, ours: float, peer: float, *, target: float, unit: str, note: str = ""
) -> Figure:
    """Return the figure of two sizes: `ours` by `peer` is to stay within `target`."""
    ratio = ours / peer
    return Figure(
        name=name,
        ours=round(ours, 1),
        peer=round(peer, 1),
        ratio=round(ratio, 3),
        target=target,
        met=ratio <= target,
        unit=unit,
        note=note,
    )


def write_latest(figures: Sequence[Figure], path: Path = LATEST) -> None:
    """Write `figures` as JSON."""
    path.write_text(json.dumps([asdict(figure) for figure in figures], indent=1) + "\n")


def table(figures: Sequence[Figure]) -> str:
    """Return `figures` as a table for the screen, each with its note below."""
    width = max(len(figure.name) for figure in figures)
    lines = [f"{'':{width}}  {'ours':>12} {'peer':>12} {'ratio':>7} {'target':>7}"]
    for figure in figures:
        lines.append(
            f"{figure.name:{width}}  {figure.ours:>12,.1f} {figure.peer:>12,.1f}"
            f" {figure.ratio:>7.2f} {figure.target:>7.2f}  {'met' if figure.met else 'MISSED'}"
            f"  ({figure.unit})"
        )
        lines.append(f"{'':{width}}  {figure.note}")
    return "\n".join(lines)
