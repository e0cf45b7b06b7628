"""Databases of the benches: on DATABASE_URL's server, else on an embedded one of their own."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 a class named in lower case
from psycopg2.extensions import make_dsn
from psycopg2.sql import SQL, Identifier

from benchmarks.crowd import ROOT
from benchmarks.story import PAYERS
from core.postgres import embedded
from demo.system import UNTHROTTLED

CONNECT_TIMEOUT_SECONDS = 10
SETTINGS = ("server_version", "synchronous_commit", "fsync", "shared_buffers", "full_page_writes")


class NotDurable(Exception):
    """The server acknowledges what it may lose, so no rate of it means anything."""


@dataclass(frozen=True, slots=True)
class Database:
    """One database of a bench; `url` is the application's, `owner_url` migrates and fills."""

    name: str
    url: str
    owner_url: str
    state_dir: Path

    @property
    def env(self) -> dict[str, str]:
        """The environment in which a process works on this database."""
        return os.environ | {
            "DJANGO_SETTINGS_MODULE": "core.settings",
            "DATABASE_URL": self.url,
            "DATABASE_OWNER_URL": self.owner_url,
            "STATE_DIR": str(self.state_dir),
            "LOG_LEVEL": "WARNING",
            "PYTHONPATH": str(ROOT),
            **dict.fromkeys(UNTHROTTLED, "9999999/min"),  # counted as ever, and never refused
        }

    def connect(self) -> Connection:
        """Return a new session as the owner, committing each statement by itself."""
        connection = psycopg2.connect(self.owner_url, connect_timeout=CONNECT_TIMEOUT_SECONDS)
        connection.autocommit = True
        return connection

    def run(self, *arguments: str) -> None:
        """Run our Python with `arguments` on this database; raises CalledProcessError."""
        subprocess.run([sys.executable, *arguments], env=self.env, cwd=ROOT, check=True)


@dataclass
class Server:
    """Where the benches' databases are made: each a copy of one migrated template."""

    url: str
    owner_url: str
    state_dir: Path
    prefix: str = field(default_factory=lambda: f"ledger_bench_{uuid4().hex[:8]}_")
    _has_template: bool = False
    _grown: Database | None = None
    _shared: ExitStack = field(default_factory=ExitStack)

    @contextmanager
    def empty(self) -> Iterator[Database]:
        """Yield a new database without any table."""
        database = self._database(uuid4().hex[:6])
        self._administer("create database {} template template0", database.name)
        try:
            yield database
        finally:
            self._administer("drop database {} with (force)", database.name)

    @contextmanager
    def book(self, model: Database | None = None) -> Iterator[Database]:
        """Yield a new database with a book, empty or as it is in `model`."""
        template = model or self._template()
        database = self._database(uuid4().hex[:6])
        self._administer("create database {} template {}", database.name, template.name)
        try:
            yield database
        finally:
            self._administer("drop database {} with (force)", database.name)

    @contextmanager
    def grown(self, events: int) -> Iterator[Database]:
        """Yield a book of `events` events and more; the benches that want it share it."""
        if self._grown is None:
            self._grown = self._shared.enter_context(self.book())
            self._grown.run("-m", "benchmarks.fill", str(PAYERS), "1")
            self._grown.run("-m", "benchmarks.grow", str(events), str(PAYERS))
        yield self._grown

    def settings(self) -> Mapping[str, str]:
        """Return the server's settings that matter here; raises NotDurable."""
        with closing(self._connect()) as connection, connection.cursor() as cursor:
            cursor.execute(
                "select name, current_setting(name) from unnest(%s) as n (name)", [list(SETTINGS)]
            )
            settings = dict(cursor.fetchall())
        if (settings["synchronous_commit"], settings["fsync"]) != ("on", "on"):
            raise NotDurable(f"{settings}")
        return settings

    def close(self) -> None:
        """Drop what the benches share."""
        self._shared.close()
        if self._has_template:
            self._administer("drop database {} with (force)", f"{self.prefix}template")

    def _template(self) -> Database:
        template = self._database("template")
        if not self._has_template:
            self._administer("create database {} template template0", template.name)
            self._has_template = True
            template.run("manage.py", "migrate", "--verbosity", "0")
        return template

    def _database(self, name: str) -> Database:
        name = f"{self.prefix}{name}"
        return Database(
            name=name,
            url=make_dsn(self.url, dbname=name),
            owner_url=make_dsn(self.owner_url, dbname=name),
            state_dir=self.state_dir,
        )

    def _connect(self) -> Connection:
        connection = psycopg2.connect(self.owner_url, connect_timeout=CONNECT_TIMEOUT_SECONDS)
        connection.autocommit = True
        return connection

    def _administer(self, statement: str, *names: str) -> None:
        with closing(self._connect()) as connection, connection.cursor() as cursor:
            cursor.execute(SQL(statement).format(*map(Identifier, names)))


@contextmanager
def server(state_dir: Path) -> Iterator[Server]:
    """Yield the server of DATABASE_URL, or an embedded one in `state_dir` that ends with it."""
    url = os.environ.get("DATABASE_URL", "")
    if url:
        found = Server(url, os.environ.get("DATABASE_OWNER_URL", url), state_dir)
        try:
            yield found
        finally:
            found.close()
        return
    started = embedded.ensure_running(state_dir)
    try:
        yield Server(started.url(), started.url(is_owner=True), state_dir)
    finally:
        embedded.remove(state_dir)
