"""Commands by queue, committed and answered, against the same ones sent one by one over HTTP."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from statistics import median
from uuid import uuid4

from benchmarks import story
from benchmarks.askers import ANSWERS
from benchmarks.crowd import ROOT
from benchmarks.database import Database, Server
from benchmarks.effort import Effort
from benchmarks.figures import Figure, at_least
from benchmarks.log import Log
from benchmarks.pairs import interleave
from benchmarks.sides import askers, visitors
from benchmarks.web import web
from consumers.amqp import delete_queues
from consumers.topology import TOPOLOGY

USERS = 500
TARGET = 5.0
STOP_TIMEOUT_SECONDS = 20


def run(server: Server, effort: Effort) -> list[Figure]:
    """Return the figure of the embedded queue and, where AMQP_URL is set, that of RabbitMQ."""
    figures = []
    keys, people = (server.state_dir / name for name in ("keys.json", "people.json"))
    payees = [str(story.person(number)) for number in range(USERS, 2 * USERS)]
    people.write_text(json.dumps(payees))
    with ExitStack() as stack:
        book = stack.enter_context(server.book())
        book.run("-m", "benchmarks.fill", str(USERS), "1")
        book.run("-m", "benchmarks.people", str(2 * USERS), str(keys))
        keys.write_text(json.dumps(json.loads(keys.read_text())[:USERS]))  # the payers'
        port = stack.enter_context(web(book, settings="core.settings"))
        singly = stack.enter_context(visitors(port, keys, "transfers", people, connections=1))
        crowd = stack.enter_context(visitors(port, keys, "transfers", people, connections=16))
        alone, together = Log(singly), Log(crowd)
        rates = [together.rate(effort.seconds) for _ in range(effort.pairs)]
        note = f"HTTP over 16 connections {median(rates):,.0f}/s"
        for name, env in brokers(book).items():
            with consumer(env), askers(env, keys, people) as asking:
                ours = Log(asking)
                pairs = interleave(
                    lambda ours=ours: ours.rate(effort.seconds),
                    lambda: alone.rate(effort.seconds),
                    pairs=effort.pairs,
                )
            unit = "commands/s"
            figures.append(
                at_least(f"commands, {name}", pairs, target=TARGET, unit=unit, note=note)
            )
    return figures


def brokers(book: Database) -> dict[str, Mapping[str, str]]:
    """Return the environment in which processes use each broker that is there."""
    found = {"embedded queue": book.env | {"AMQP_URL": ""}}
    if os.environ.get("AMQP_URL"):
        found["RabbitMQ"] = book.env | {"QUEUE_PREFIX": f"bench-{uuid4().hex[:8]}."}
    return found


@contextmanager
def consumer(env: Mapping[str, str]) -> Iterator[None]:
    """Run the process that takes commands, logging as in production; its queues end with it."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", "consumers", "--only", "commands"],
        env=dict(env) | {"LOG_LEVEL": "INFO"},
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(STOP_TIMEOUT_SECONDS)
        if env["AMQP_URL"]:
            delete_queues(env["AMQP_URL"], [*TOPOLOGY, ANSWERS], env["QUEUE_PREFIX"])
