"""What a fault run leaves behind: docs/reliability.md and benchmarks/faults.json."""

import json
import platform
from datetime import UTC, datetime

from benchmarks.machine import cpu
from demo.system import REPOSITORY
from tests.storm.storm import Report

PAGE = REPOSITORY / "docs" / "reliability.md"
NUMBERS = REPOSITORY / "benchmarks" / "faults.json"

_PAGE = """# Reliability: the fault run

Written by `make faults` (`tests/storm/`). {people} people order pictures, train styles, buy, send
and cancel through the API, while everything below is killed at random moments; they repeat each
request under its Idempotency-Key until it is answered, and note what was acknowledged. Web,
projections, consumers, timers, {workers} workers with the real kit, PostgreSQL and a RabbitMQ node
run as processes of one machine. Between workers, clients and web stands a proxy that drops, cuts,
repeats, delays and reorders requests; connections to RabbitMQ and PostgreSQL are cut as well. The
workers' model alone is a quick stand-in (a gradient), which fails now and then. When the storm is
over, everything that was acknowledged is looked for in the book and at the API, the tokens of each
person are counted anew from what they were told, and `ledger verify` and `ledger replay` are run.

| | |
|---|---|
| date | {date} |
| machine | {machine} |
| versions | {versions} |
| repeated by | `FAULT_JOBS={jobs} FAULT_SEED={seed} make faults` |
| took | {seconds:.0f} s, of which something was away for {down:.0f} s |

## What was done

| | times |
|---|---|
{deeds}

## What became of it

| | |
|---|---|
| jobs acknowledged | {acknowledged_jobs} ({trainings} trainings) |
| of them and of those before the storm: {ends} | {ended} |
| attempts | {attempts} |
| results that came too late, and were kept apart | {late_results} |
| transfers, purchases and cancels acknowledged | {others} |
| requests sent, repetitions included | {tries} |
| answers of "later" (429, 5xx) | {later} |
| refused | {refused} |
| **acknowledged and lost** | **{lost}** |
| **tokens moved twice, or missing** | **{moved_twice}** |
| **jobs that did not end** | **{nonterminal}** |
| **jobs that ended after deadline, grace and down time** | **{late}** |
| **violations of I1-I13 (verify, replay)** | **{violations}** |

"""


def write(report: Report, *, people: int, workers: int) -> None:
    """Write both files, whatever the run has shown."""
    verdict, record = report.verdict, report.record
    deeds = {f"killed: {name}": count for name, count in sorted(report.processes().items())}
    deeds |= {
        "killed: PostgreSQL": report.kills["postgres"],
        "stopped or killed: RabbitMQ": report.kills["rabbitmq"],
        "connections cut: RabbitMQ's all, a third of PostgreSQL's": report.kills["cut"],
    }
    for name, count in sorted(report.faults.items()):
        if name != "forwarded":
            deeds[f"request {name.replace('_', ' ')}"] = count
    trainings = len(record.of("training"))
    page = _PAGE.format(
        people=people, workers=workers, date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        machine=f"{cpu()}, {platform.platform()}", versions=report.versions, jobs=report.jobs,
        seed=report.seed, seconds=report.seconds, down=report.down_seconds,
        deeds="\n".join(f"| {what} | {count} |" for what, count in deeds.items()),
        acknowledged_jobs=len(record.of("generation", "training")), trainings=trainings,
        ends=", ".join(f"{count} {end}" for end, count in verdict.ends.most_common()),
        ended=sum(verdict.ends.values()), attempts=verdict.attempts,
        late_results=verdict.late_results,
        others=len(record.of("transfer", "purchase", "cancel")), tries=record.tries,
        later=_counts(record.later), refused=_counts(record.refused),
        lost=len(verdict.lost) + record.unanswered, moved_twice=len(verdict.moved_twice),
        nonterminal=len(verdict.nonterminal), late=len(verdict.late),
        violations=len(verdict.violations),
    )  # fmt: skip
    page += "".join(f"- {reason}\n" for reason in verdict.reasons())
    PAGE.write_text(page.rstrip() + "\n")
    NUMBERS.write_text(json.dumps(report.as_json(), indent=2) + "\n")


def _counts(counted: dict[str, int] | dict[int, int]) -> str:
    return ", ".join(f"{count} x {name}" for name, count in counted.items()) or "none"
