"""From the book to whoever waits: the relay's rate, and how long tasks and projections take."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.crowd import ROOT
from benchmarks.database import Server
from benchmarks.effort import Effort
from benchmarks.figures import Figure, at_least, at_most
from benchmarks.pairs import Pairs
from demo.rabbitmq_nodes import Nodes, is_installed

RELAY_TARGET = 3.0
MEDIAN_MILLISECONDS, P99_MILLISECONDS = 100.0, 500.0
LAG_MILLISECONDS = 1_000.0
EMBEDDED = ""


def run(server: Server, effort: Effort) -> list[Figure]:
    """Return the figures; of RabbitMQ only where a node can be started."""
    figures = [*_latency(server, effort, "embedded queue", EMBEDDED), _lag(server, effort)]
    with _rabbitmq() as url:
        if url:
            told = _measured(server, url, "relay", effort.pairs)
            pairs = Pairs(tuple(told["ours"]), tuple(told["peer"]))
            note = "300 tasks a round, quorum queue of one node, peer: one confirm after the other"
            figures.insert(
                0, at_least("relay", pairs, target=RELAY_TARGET, unit="tasks/s", note=note)
            )
            figures += _latency(server, effort, "RabbitMQ", url)
    return figures


def _latency(server: Server, effort: Effort, broker: str, url: str) -> list[Figure]:
    told = _measured(server, url, "latency", effort.deliveries)
    note = f"{effort.deliveries} orders, one after the other; by the limit"
    return [
        at_most(
            f"commit to delivery, {broker}, {name}", told[name], limit, target=1.0, unit="ms",
            note=note,
        )
        for name, limit in (("median", MEDIAN_MILLISECONDS), ("p99", P99_MILLISECONDS))
    ]  # fmt: skip


def _lag(server: Server, effort: Effort) -> Figure:
    told = _measured(server, EMBEDDED, "lag", effort.lag_seconds)
    return at_most(
        "projection lag, p99", 1_000 * told["p99"], LAG_MILLISECONDS, target=1.0, unit="ms",
        note=f"{told['rate']:.0f} events/s for {effort.lag_seconds:g} s; by the limit",
    )  # fmt: skip


def _measured(server: Server, url: str, what: str, number: float) -> Any:
    with server.book() as database:
        told = subprocess.run(
            [sys.executable, "-m", "benchmarks.messages", what, str(number)],
            env=database.env | {"AMQP_URL": url, "QUEUE_PREFIX": f"{database.name}."},
            cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
    return json.loads(told.stdout)


@contextmanager
def _rabbitmq() -> Iterator[str]:
    """Yield the URL of AMQP_URL's broker, else of a node of our own, else nothing."""
    if url := os.environ.get("AMQP_URL", ""):
        yield url
    elif is_installed():
        folder = tempfile.TemporaryDirectory(prefix="ledger-bench-")
        with folder as name, Nodes(Path(name)) as nodes:
            yield nodes.urls()
    else:
        print("RabbitMQ is not installed: its figures are left out")
        yield ""
