"""The crowds of both sides: our workers, and the peers in their own environments."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from psycopg2.extensions import parse_dsn

from benchmarks import story
from benchmarks.crowd import ROOT, Crowd
from benchmarks.database import Database
from benchmarks.peers import environment


def ours(book: Database, kind: str, *arguments: str, processes: int) -> Crowd:
    """Return a crowd of our workers of `kind` (see benchmarks.worker) on `book`."""
    command = [sys.executable, "-m", "benchmarks.worker", kind, *arguments]
    return Crowd(command, processes=processes, env=book.env)


def guide(database: Database, processes: int) -> Crowd:
    """Return a crowd of the guide's create path on an empty database, as its owner."""
    python = environment.python("guide")
    env = database.env | {"DATABASE_URL": database.owner_url}
    command = [python, "-m", "benchmarks.peers.guide"]
    set_up = [*command, "set-up", str(story.PAYERS)]
    subprocess.run(set_up, env=env, cwd=ROOT, check=True)
    return Crowd([*command, "work", str(story.PAYERS)], processes=processes, env=env)


def notifications(database: Database, events: int) -> Crowd:
    """Return one process that decodes pyeventsourcing's log of so many events, in `database`."""
    python = environment.python("notifications")
    parts = parse_dsn(database.owner_url)
    env = os.environ | {f"BENCH_{name.upper()}": str(value) for name, value in parts.items()}
    command = [python, "-m", "benchmarks.peers.notifications"]
    subprocess.run([*command, "set-up", str(events)], env=env, cwd=ROOT, check=True)
    return Crowd([*command, "work", str(events)], processes=1, env=env)


def peak_mib(book: Database, events: int) -> float:
    """Return the most memory of a process of its own that replays `events` events."""
    command = [sys.executable, "-m", "benchmarks.memory", str(events)]
    done = subprocess.run(
        command, env=book.env, cwd=ROOT, check=True, capture_output=True, text=True
    )
    return float(done.stdout)


def visitors(port: int, keys: Path, what: str, of: object, *, connections: int) -> Crowd:
    """Return the one process whose connections ask `what` (see benchmarks.visitors) at `port`."""
    command = [sys.executable, "-m", "benchmarks.visitors", str(port), keys, what, str(of)]
    return Crowd([*command, str(connections)], processes=1, env=os.environ)


def askers(env: Mapping[str, str], keys: Path, people: Path) -> Crowd:
    """Return the one process that sends transfers to the queue of commands."""
    command = [sys.executable, "-m", "benchmarks.askers", keys, people]
    return Crowd(command, processes=1, env=env)
