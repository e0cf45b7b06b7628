"""`make faults`: the long fault run; FAULT_JOBS and FAULT_SEED scale and repeat it.

Writes docs/reliability.md and benchmarks/faults.json; exit code 1 where something is wrong.
"""

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "core.settings")

import django

django.setup()

from demo.rabbitmq_nodes import Nodes, is_installed  # noqa: E402
from demo.system import REPOSITORY  # noqa: E402 -- needs Django's settings
from tests.storm import report as written  # noqa: E402
from tests.storm.killer import plan_for  # noqa: E402
from tests.storm.storm import PEOPLE, WORKERS, run  # noqa: E402

JOBS = 2_000
SECONDS_A_JOB = 0.3


def main() -> int:
    """Run, print each count and return the exit code."""
    jobs = int(os.environ.get("FAULT_JOBS", JOBS))
    seed = int(os.environ.get("FAULT_SEED", time.time_ns() // 1_000_000_000))
    plan, began = plan_for(jobs), time.monotonic()

    def tell(line: str) -> None:
        sys.stdout.write(f"[{time.monotonic() - began:6.0f} s] {line}\n")
        sys.stdout.flush()

    if not is_installed():
        tell("rabbitmq-server is not installed: the embedded queue is used, and nothing written")
    tell(f"{jobs} jobs, seed {seed}, {plan}")
    with tempfile.TemporaryDirectory(prefix="ledger-storm-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # as root, the server's account must get through
        with Nodes(folder / "rabbitmq", 1 if is_installed() else 0) as nodes:
            report = run(
                folder, jobs=jobs, plan=plan, seconds=max(20.0, jobs * SECONDS_A_JOB), seed=seed,
                node=nodes.nodes[0] if nodes.nodes else None, tell=tell,
            )  # fmt: skip
        if not report.verdict.is_good:
            logs = REPOSITORY / "output" / f"storm-{seed}"
            shutil.copytree(folder / "logs", logs, dirs_exist_ok=True)
            tell(f"the logs are in {logs}")
    for reason in report.verdict.reasons():
        tell(reason)
    for name, count in report.as_json().items():
        tell(f"{name}: {count}")
    if is_installed():
        written.write(report, people=PEOPLE, workers=WORKERS)
    return 0 if report.verdict.is_good and not report.record.unanswered else 1


if __name__ == "__main__":
    sys.exit(main())
