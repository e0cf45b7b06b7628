"""Interleaved pairs, and the figures that are made of them."""

import json
from pathlib import Path

from benchmarks.figures import at_least, table, write_latest
from benchmarks.pairs import Pairs, interleave


def test_the_sides_take_turns_after_a_warm_up_and_each_begins_as_often() -> None:
    calls: list[str] = []
    rates = iter(range(1, 100))

    def side(name: str) -> float:
        calls.append(name)
        return float(next(rates))

    pairs = interleave(lambda: side("ours"), lambda: side("peer"), pairs=4)

    assert calls[:2] == ["ours", "peer"]  # the warm-up, which is not measured
    assert calls[2:] == ["ours", "peer", "peer", "ours", "ours", "peer", "peer", "ours"]
    assert pairs == Pairs(ours=(3, 6, 7, 10), peer=(4, 5, 8, 9))


def test_the_ratio_is_the_median_of_the_pairs_not_the_ratio_of_the_medians() -> None:
    pairs = Pairs(ours=(10, 100, 30), peer=(10, 50, 10))

    assert pairs.ratio == 2
    assert pairs.spread == "1.00-3.00 over 3 pairs"


def test_a_target_that_was_missed_is_shown_as_missed(tmp_path: Path) -> None:
    good = at_least("good", Pairs((2,), (1,)), target=1.5, unit="commands/s")
    bad = at_least("bad", Pairs((1.4,), (1,)), target=1.5, unit="commands/s", note="slow disk")

    write_latest([good, bad], tmp_path / "latest.json")

    written = json.loads((tmp_path / "latest.json").read_text())
    assert [(row["name"], row["met"]) for row in written] == [("good", True), ("bad", False)]
    assert set(written[0]) == {"name", "ours", "peer", "ratio", "target", "met", "unit", "note"}
    assert "MISSED" in table([bad])
    assert "slow disk" in table([bad])
    assert "MISSED" not in table([good])
