"""`make test`: pytest on two processes; where all tests run, their coverage and its thresholds.

Arguments go to pytest. WITHOUT=rabbitmq leaves out the tests of that service on purpose.
"""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from coverage import Coverage
from coverage.exceptions import CoverageException

REPOSITORY = Path(__file__).resolve().parent.parent
PROCESSES = 2
TIMEOUT_SECONDS = 40 * 60
# Least branch coverage in percent; enforced only when no test was skipped or left out.
THRESHOLDS = {"ledger/*": 100.0, "*": 95.0}
BELOW_THRESHOLD = 3


def main(arguments: list[str]) -> int:
    """Run the tests and return pytest's exit code, or that of the missed coverage."""
    without = os.environ.get("WITHOUT", "").split()
    tests = ["-m", "pytest", "-n", str(PROCESSES), *arguments]
    if without:
        tests += ["-m", " and ".join(f"not {marker}" for marker in without)]
    if without or arguments or not os.environ.get("AMQP_URL"):
        say("coverage is not measured: not all tests run")
        return run([sys.executable, *tests], {})
    with tempfile.TemporaryDirectory(prefix="ledger-coverage-") as folder:
        skips = Path(folder, "skips")
        data = {"COVERAGE_FILE": str(Path(folder, ".coverage")), "SKIPS_FILE": str(skips)}
        code = run([sys.executable, "-m", "coverage", "run", *tests], data)
        is_partial = not skips.exists() or bool(skips.read_text())
        missed = measure(Path(folder), is_partial=is_partial)
    return code or (BELOW_THRESHOLD if missed else 0)


def run(command: list[str], variables: dict[str, str]) -> int:
    """Run `command` and return its exit code; a signal for us is one for it, so it can clear up."""
    with subprocess.Popen(command, cwd=REPOSITORY, env=os.environ | variables) as process:
        signal.signal(signal.SIGINT, lambda *_: None)  # a terminal sends it to both
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        try:
            return process.wait(TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.terminate()
            return process.wait()


def measure(folder: Path, *, is_partial: bool) -> bool:
    """Report the coverage of all processes; return whether a threshold was missed."""
    os.chdir(REPOSITORY)
    coverage = Coverage(data_file=str(REPOSITORY / ".coverage"), data_suffix=False)
    try:
        coverage.combine([str(folder)])
        coverage.save()
        coverage.report(skip_covered=True, show_missing=True)
    except CoverageException as error:
        say(f"no coverage: {error}")
        return not is_partial
    missed = False
    for pattern, wanted in THRESHOLDS.items():
        with Path(os.devnull).open("w") as nowhere:
            reached = coverage.report(include=[pattern], file=nowhere)
        missed |= reached < wanted
        say(f"coverage of {pattern}: {reached:.2f} %, wanted {wanted:g} %")
    if is_partial:
        say("coverage is not enforced: tests were skipped")
    return missed and not is_partial


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
