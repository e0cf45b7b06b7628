"""A crowd of workers: their rounds are added up, and one that fails fails the bench."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from benchmarks.crowd import Crowd, CrowdFailed, cpu_seconds, measured
from benchmarks.peers.rounds import one_round

WORKER = """
import os
from benchmarks.peers.rounds import serve
{before}
serve(lambda: {work}, backend=os.getpid(), prepare=lambda seconds: print("prepared", seconds))
"""


@contextmanager
def crowd(work: str, *, before: str = "", processes: int = 2) -> Iterator[Crowd]:
    """Yield a crowd of workers that know nothing but the protocol."""
    command = [sys.executable, "-c", WORKER.format(work=work, before=before)]
    with Crowd(command, processes=processes, env=os.environ) as found:
        yield found


def test_the_commands_of_all_workers_are_added_up() -> None:
    with crowd("__import__('time').sleep(0.01) or 3") as both:
        found = both.round(0.1, is_prepared=True)

    assert found.done % 3 == 0
    assert found.done >= 6
    assert found.rate == pytest.approx(600, rel=0.5)


def test_a_worker_whose_command_is_refused_fails_the_bench() -> None:
    with (
        crowd("(_ for _ in ()).throw(AssertionError('refused'))") as both,
        pytest.raises(CrowdFailed, match="ended"),
    ):
        both.round(0.1)


def test_a_worker_that_does_not_start_fails_the_bench() -> None:
    with pytest.raises(CrowdFailed, match="ended"), crowd("1", before="raise SystemExit(1)"):
        pass


def test_a_round_in_which_nothing_was_accepted_fails_the_bench() -> None:
    with crowd("0") as both, pytest.raises(CrowdFailed, match="Nothing was accepted"):
        both.round(0.05)


def test_the_cpu_of_client_and_server_is_given_per_command() -> None:
    answers = [
        {"done": 10, "seconds": 2.0, "cpu": 0.001},
        {"done": 30, "seconds": 2.0, "cpu": 0.003},
    ]

    found = measured(answers, 0.008)

    assert (found.done, found.rate) == (40, 20)
    assert found.client_us == pytest.approx(100)
    assert found.server_us == pytest.approx(200)
    assert measured(answers, None).server_us is None


def test_a_process_out_of_sight_has_no_cpu_figure() -> None:
    assert cpu_seconds(2**22 + 1) is None


def test_a_round_ends_in_time_and_tells_what_was_done() -> None:
    answer = one_round(lambda: 5, 0.02)

    assert answer["done"] % 5 == 0
    assert 0.02 <= answer["seconds"] < 1
