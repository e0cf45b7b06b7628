"""What became of everything that was acknowledged, read from the book and from the API."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import requests

from tests.storm.clients import Person, Record
from tests.storm.stage import Stage

SECONDS = 60.0
STREAMS = {
    "generation": "generation-{}",
    "cancel": "generation-{}",
    "training": "training-{}",
    "transfer": "transfer-{}",
    "purchase": "purchase-{}",
}
ENDS = {
    f"{kind}{end}": end.lower()
    for kind in ("Generation", "Training")
    for end in ("Completed", "Failed", "Canceled", "Expired")
}
MONEY = ("TokensHeld", "HoldCaptured", "HoldReleased")
# Of each job its types in order, its deadline and when it ended; of the rest that they are there.
_STORIES = """
select stream, array_agg(type order by version),
    max(case when type in ('GenerationRequested', 'TrainingRequested')
        then data::jsonb ->> 'deadline_at' end)::timestamptz,
    max(recorded_at) filter (where type = any(array[{ends}]))
from event where stream ~ '^(generation|training|transfer|purchase)-' group by stream
"""


@dataclass
class Verdict:
    """What is wrong, with the reasons; all empty is what was promised."""

    lost: list[str] = field(default_factory=list)
    moved_twice: list[str] = field(default_factory=list)
    nonterminal: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)
    attempts: int = 0
    late_results: int = 0

    @property
    def is_good(self) -> bool:
        return not (
            self.lost or self.moved_twice or self.nonterminal or self.late or self.violations
        )

    def reasons(self) -> list[str]:
        """Return everything that is wrong, a line each."""
        return [
            f"{name}: {reason}"
            for name in ("lost", "moved_twice", "nonterminal", "late", "violations")
            for reason in getattr(self, name)
        ]


def open_jobs(stage: Stage, record: Record) -> int:
    """Return how many of the acknowledged jobs have not ended in the book."""
    jobs = {STREAMS[one.kind].format(one.id) for one in record.of("generation", "training")}
    ends = ", ".join(f"'{end}'" for end in ENDS)
    ended = stage.query(f"select stream from event where type = any(array[{ends}])")
    return len(jobs - {str(stream) for (stream,) in ended})


def judge(stage: Stage, record: Record, people: Sequence[Person], grace_seconds: float) -> Verdict:
    """Compare what was promised with the book, the book with itself, and both with the API."""
    verdict = Verdict()
    ends = ", ".join(f"'{end}'" for end in ENDS)
    stories: dict[str, Any] = {
        str(stream): rest for stream, *rest in stage.query(_STORIES.format(ends=ends))
    }
    for one in record.acknowledged:
        if STREAMS[one.kind].format(one.id) not in stories:
            verdict.lost.append(f"{one.kind} {one.id}")
    for stream, (types, deadline, ended) in stories.items():
        if stream.startswith(("generation-", "training-")):
            late_seconds = (ended - deadline).total_seconds() - grace_seconds if ended else 0.0
            _judge_job(verdict, stream, Counter(types))
            if late_seconds > stage.down.total():
                verdict.late.append(f"{stream}: {late_seconds:.0f} s after deadline and grace")
    _judge_others(verdict, record, {name: Counter(rest[0]) for name, rest in stories.items()})
    spent = _spent(verdict, stage, record)
    for person in people:
        _judge_balance(verdict, stage, person, spent[person.name])
    for command in (("verify",), ("replay",)):
        done = stage.system.manage("ledger", *command)
        if done.returncode:
            verdict.violations.append(f"ledger {command[0]}: {(done.stdout + done.stderr)[-500:]}")
    return verdict


def _judge_job(verdict: Verdict, stream: str, told: Counter[str]) -> None:
    ended = [end for end in ENDS if told[end]]
    verdict.attempts += 1 + told["AttemptQueued"]
    verdict.late_results += told["LateResultReceived"]
    if not ended:
        verdict.nonterminal.append(f"{stream}: {dict(told)}")
        return
    verdict.ends[ENDS[ended[0]]] += 1
    wanted = (1, 1, 0) if ENDS[ended[0]] == "completed" else (1, 0, 1)
    moved = tuple(told[name] for name in MONEY)
    if moved != wanted or sum(told[end] for end in ENDS) != 1:
        verdict.moved_twice.append(f"{stream}: {dict(told)}")


def _judge_others(verdict: Verdict, record: Record, told: Mapping[str, Counter[str]]) -> None:
    """Transfers and purchases move tokens once, and do so where that was acknowledged."""
    for stream, types in told.items():
        if max(types["TokensTransferred"], types["TokensIssued"]) > 1:
            verdict.moved_twice.append(f"{stream}: {dict(types)}")
    for one in record.of("purchase"):
        if told.get(f"purchase-{one.id}", {}).get("TokensIssued") != 1:
            verdict.lost.append(f"purchase {one.id}: paid, not issued")


def _spent(verdict: Verdict, stage: Stage, record: Record) -> Counter[str]:
    """Return what each person paid for what they were told is completed."""
    spent: Counter[str] = Counter()
    for one in record.of("generation"):
        job = _get(stage, one.person, f"/api/generations/{one.id}/")
        if job is None:
            verdict.lost.append(f"the API knows no generation {one.id}")
        elif job["status"] == "completed":
            spent[one.person.name] += one.price
            if job["billing"]["captured"] != one.price or not job["result"]:
                verdict.moved_twice.append(f"generation {one.id}: {job['billing']}")
    trained = {
        str(stream).removeprefix("training-")
        for (stream,) in stage.query("select stream from event where type = 'TrainingCompleted'")
    }
    for one in record.of("training"):
        spent[one.person.name] += one.price if one.id in trained else 0
    return spent


def _judge_balance(verdict: Verdict, stage: Stage, person: Person, spent: int) -> None:
    balance = _get(stage, person, "/api/tokens/balance/")
    wanted = person.given - spent
    if balance is None or (balance["available"], balance["held"]) != (wanted, 0):
        verdict.moved_twice.append(f"{person.name} should have {wanted}: {balance}")


def _get(stage: Stage, person: Person, path: str) -> Any:
    response = requests.get(
        f"{stage.direct}{path}", headers={"Authorization": f"Bearer {person.key}"}, timeout=SECONDS
    )
    return response.json() if response.ok else None
