"""The working side of a bench: rounds on request, over lines of JSON; standard library only.

A worker says which session of the server it uses; then for each line {"do": "prepare" | "round",
"seconds": s} it does so and answers. Its input's end is its end.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any, TextIO


class RanDry(Exception):
    """A round had less prepared than it could do, so its rate means nothing."""


def serve(
    work: Callable[[], int],
    *,
    backend: int,
    prepare: Callable[[float], None] = lambda _seconds: None,
) -> None:
    """Do rounds of `work`, which returns how many commands it saw accepted, until input ends.

    `prepare` gets the seconds of the round to come. What is printed meanwhile goes to stderr.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    _answer(answers, backend=backend)
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "prepare":
            prepare(request["seconds"])
            _answer(answers)
        else:
            _answer(answers, **one_round(work, request["seconds"]))


def one_round(work: Callable[[], int], seconds: float) -> dict[str, float]:
    """Repeat `work` for `seconds`; return commands done, seconds taken, CPU seconds of ours."""
    cpu, start = time.process_time(), time.perf_counter()
    done, end = 0, start + seconds
    while (now := time.perf_counter()) < end:
        done += work()
    return {"done": done, "seconds": now - start, "cpu": time.process_time() - cpu}


def _answer(answers: TextIO, **values: Any) -> None:
    answers.write(json.dumps(values) + "\n")
    answers.flush()
