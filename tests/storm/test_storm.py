"""A short fault run on servers of its own; `make faults` makes the long one (G5, G8, G12)."""

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from demo.rabbitmq_nodes import Nodes
from tests.storm.clients import Person, Record
from tests.storm.judge import Verdict, _judge_job, _judge_others
from tests.storm.killer import Plan
from tests.storm.report import NUMBERS, PAGE
from tests.storm.storm import run

SEED = 20261127
NOW = datetime(2026, 11, 27, tzinfo=UTC)
PLAN = Plan(processes=7, postgres=1, rabbitmq=1, cuts=1)


def storm(folder: Path, *, nodes: int) -> None:
    folder.chmod(0o755)
    with Nodes(folder / "rabbitmq", nodes) as started:
        report = run(
            folder, jobs=40, plan=PLAN, seconds=16.0, seed=SEED,
            node=started.nodes[0] if nodes else None, tell=lambda _: None,
        )  # fmt: skip
    assert report.verdict.reasons() == []
    assert report.record.unanswered == 0
    assert len(report.record.of("generation", "training")) == 40
    assert report.process_kills == PLAN.processes
    assert report.kills["postgres"] == 1
    assert report.kills["rabbitmq"] == nodes


@pytest.mark.slow
@pytest.mark.rabbitmq(own_nodes=True)
def test_whatever_is_killed_nothing_is_lost_and_nothing_moves_twice(tmp_path: Path) -> None:
    """I1-I13; PostgreSQL and a RabbitMQ node are killed as well."""
    storm(tmp_path, nodes=1)


class TestJudge:
    """Each kind of damage is seen."""

    ENDED = Counter(["TokensHeld", "GenerationRequested", "GenerationCompleted", "HoldCaptured"])

    def judged(self, told: Counter[str]) -> Verdict:
        verdict = Verdict()
        _judge_job(verdict, "generation-x", told)
        return verdict

    def test_a_job_that_ended_once_and_was_paid_once_is_good(self) -> None:
        assert self.judged(self.ENDED).is_good

    @pytest.mark.parametrize(
        "more", ["HoldCaptured", "HoldReleased", "TokensHeld", "GenerationFailed"]
    )
    def test_more_of_anything_is_moved_twice(self, more: str) -> None:
        assert self.judged(self.ENDED + Counter([more])).moved_twice

    @pytest.mark.parametrize("less", ["HoldCaptured", "TokensHeld"])
    def test_less_is_told_too(self, less: str) -> None:
        assert self.judged(self.ENDED - Counter([less])).moved_twice

    def test_a_job_without_an_end(self) -> None:
        assert self.judged(self.ENDED - Counter(["GenerationCompleted"])).nonterminal

    def test_a_failed_job_that_was_paid_for(self) -> None:
        told = self.ENDED - Counter(["GenerationCompleted"]) + Counter(["GenerationFailed"])
        assert self.judged(told).moved_twice

    def test_a_purchase_that_was_paid_and_not_issued_or_issued_twice(self) -> None:
        record, verdict = Record(), Verdict()
        record.keep("purchase", "a", Person("ann", "1", "k"), 500)
        _judge_others(verdict, record, {"purchase-a": Counter(["PurchasePaid"])})
        assert verdict.lost
        twice = Counter(["TokensIssued", "TokensIssued"])
        _judge_others(verdict, record, {"purchase-b": twice})
        assert verdict.moved_twice


def test_the_page_tells_the_numbers_of_the_last_long_run() -> None:
    numbers, page = json.loads(NUMBERS.read_text()), PAGE.read_text()
    assert set(numbers) == {
        "jobs", "kills", "postgres_kills", "rabbitmq_kills", "nonterminal", "lost",
        "moved_twice", "violations",
    }  # fmt: skip
    assert f"| jobs acknowledged | {numbers['jobs']} " in page
    assert f"**{numbers['lost']}**" in page
