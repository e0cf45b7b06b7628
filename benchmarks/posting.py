"""Ordering pictures over HTTP, 16 connections, against a bare view that makes one SQL call."""

from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

from benchmarks import story
from benchmarks.database import Database, Server
from benchmarks.effort import Effort
from benchmarks.figures import Figure, at_least
from benchmarks.log import Log
from benchmarks.pairs import interleave
from benchmarks.sides import visitors
from benchmarks.web import web

USERS = 500
CONNECTIONS = 16
TARGET = 0.5
BARE = Path(__file__).parent / "peers" / "bare" / "set_up.sql"


def run(server: Server, effort: Effort) -> list[Figure]:
    """Return the figure."""
    keys = server.state_dir / "keys.json"
    with ExitStack() as stack:
        book = stack.enter_context(server.book())
        book.run("-m", "benchmarks.fill", str(USERS), "1")
        book.run("-m", "benchmarks.people", str(USERS), str(keys))
        prepare(book)
        full = stack.enter_context(web(book, settings="core.settings"))
        bare = stack.enter_context(web(book, settings="benchmarks.peers.bare.settings"))
        style = str(story.style_of(story.person(0, "artist")))
        asking = partial(visitors, keys=keys, what="pictures", of=style, connections=CONNECTIONS)
        ours = Log(stack.enter_context(asking(full)))
        peer = Log(stack.enter_context(asking(bare)))
        pairs = interleave(
            lambda: ours.rate(effort.seconds), lambda: peer.rate(effort.seconds), pairs=effort.pairs
        )
    return [at_least("POST generation", pairs, target=TARGET, unit="requests/s")]


def prepare(book: Database) -> None:
    """Make the table and the function of the bare view."""
    with closing(book.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(BARE.read_text())
