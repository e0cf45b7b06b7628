"""A crowd of worker processes that do the same thing at the same time, for a while."""

import json
import select
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

ROOT = Path(__file__).resolve().parent.parent
START_TIMEOUT_SECONDS = 60
PREPARE_TIMEOUT_SECONDS = 120
ROUND_GRACE_SECONDS = 60


class CrowdFailed(Exception):
    """A worker died, refused, or did not answer in time; a bench without it means nothing."""


class Round(NamedTuple):
    """What a crowd did in one round: commands, commands a second, CPU microseconds for each."""

    done: int
    rate: float
    client_us: float
    server_us: float | None  # None where the server's processes are out of sight


class Crowd:
    """`processes` copies of `command`, each a worker as in `benchmarks.peers.rounds`."""

    def __init__(self, command: Sequence[str | Path], *, processes: int, env: Mapping[str, str]):
        self._workers: list[subprocess.Popen[str]] = []
        self._backends: list[int] = []
        with ExitStack() as stack:
            stack.callback(self.close)
            for number in range(processes):
                self._workers.append(
                    subprocess.Popen(
                        [*map(str, command), str(number)],
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        env=dict(env),
                        cwd=ROOT,
                        text=True,
                    )
                )
            self._backends = [
                int(answer["backend"]) for answer in self._answers(START_TIMEOUT_SECONDS)
            ]
            stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.close()

    def round(self, seconds: float, *, is_prepared: bool = False) -> Round:
        """Let all work for `seconds`, after preparing it where `is_prepared`; return what they did.

        Raises CrowdFailed.
        """
        if is_prepared:
            self._ask(do="prepare", seconds=seconds)
            self._answers(PREPARE_TIMEOUT_SECONDS)
        before = self._server_seconds()
        self._ask(do="round", seconds=seconds)
        answers = self._answers(seconds + ROUND_GRACE_SECONDS)
        after = self._server_seconds()
        return measured(answers, None if None in (before, after) else after - before)

    def close(self) -> None:
        """End every worker."""
        for worker in self._workers:
            if worker.stdin:
                worker.stdin.close()
        for worker in self._workers:
            try:
                worker.wait(timeout=10)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
            if worker.stdout:
                worker.stdout.close()

    def _ask(self, **request: Any) -> None:
        for worker in self._workers:
            assert worker.stdin is not None
            worker.stdin.write(json.dumps(request) + "\n")
            worker.stdin.flush()

    def _answers(self, timeout_seconds: float) -> list[dict[str, Any]]:
        return [_answer(worker, timeout_seconds) for worker in self._workers]

    def _server_seconds(self) -> Any:
        spent = [cpu_seconds(backend) for backend in self._backends]
        return None if None in spent else sum(spent)


def measured(answers: Sequence[Mapping[str, float]], server_seconds: float | None) -> Round:
    """Return the round that `answers` tell of; raises CrowdFailed where nothing was done."""
    done = int(sum(answer["done"] for answer in answers))
    if not done:
        raise CrowdFailed("Nothing was accepted in a whole round.")
    return Round(
        done=done,
        rate=sum(answer["done"] / answer["seconds"] for answer in answers),
        client_us=sum(answer["cpu"] for answer in answers) / done * 1e6,
        server_us=None if server_seconds is None else server_seconds / done * 1e6,
    )


def cpu_seconds(process: int) -> float | None:
    """Return the CPU seconds that a process has used; None where that cannot be seen."""
    try:
        return int(Path(f"/proc/{process}/schedstat").read_text().split()[0]) / 1e9
    except (OSError, ValueError):
        return None


def _answer(worker: "subprocess.Popen[str]", timeout_seconds: float) -> dict[str, Any]:
    assert worker.stdout is not None
    ready, _, _ = select.select([worker.stdout], [], [], timeout_seconds)
    line = worker.stdout.readline() if ready else ""
    if not line:
        raise CrowdFailed(f"A worker ended or is silent: {worker.args!r}.")
    answer: dict[str, Any] = json.loads(line)
    return answer
