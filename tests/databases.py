"""Databases for the tests: one migrated template for a whole session, one clone of it per test."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from threading import Event, Thread
from typing import IO
from urllib.parse import quote, urlencode
from uuid import uuid4

import psycopg2
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from django.test import override_settings
from psycopg2.extensions import parse_dsn
from psycopg2.sql import SQL, Identifier

from core.postgres import embedded
from core.settings import database as database_settings
from demo.system import UNTHROTTLED

# The servers of the whole session; the settings of the same name are one test's database.
SERVER_URL: str = settings.DATABASE_URL
SERVER_OWNER_URL: str = settings.DATABASE_OWNER_URL
CONNECT_TIMEOUT_SECONDS = 10
COPY_SECONDS = 120
NOWHERE = {"EMBEDDED": False, "NAME": "no_database_outside_a_test", "HOST": "/nowhere"}
EMPTY = {"NAME": "", "USER": "", "PASSWORD": "", "HOST": "", "PORT": ""}


def url_of(dsn: str, **changes: str) -> str:
    """Return `dsn` as a URL with some of its parameters changed."""
    parameters = parse_dsn(dsn) | changes
    name = quote(parameters.pop("dbname", ""), safe="")
    return f"postgres:///{name}?{urlencode(parameters, quote_via=quote)}"


@dataclass(frozen=True)
class Database:
    """One database of one test: `url` acts as ledger_app, `owner_url` as who migrated it."""

    name: str
    url: str
    owner_url: str
    state_dir: Path

    @property
    def env(self) -> dict[str, str]:
        """The environment in which a subprocess works on this database, with this one's secrets."""
        names = ("SECRET_KEY", "MASTER_KEY", "PAYMENT_WEBHOOK_SECRET")
        return os.environ | {
            "DJANGO_SETTINGS_MODULE": "core.settings",
            "DATABASE_URL": self.url,
            "DATABASE_OWNER_URL": self.owner_url,
            "STATE_DIR": str(self.state_dir),
            **{name: getattr(settings, name) for name in names},
        }

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Point every thread's `connections` at this database, and back."""
        saved = {alias: dict(connections.settings[alias]) for alias in ("default", "owner")}
        self._point("default", self.url)
        self._point("owner", self.owner_url)
        try:
            with override_settings(
                DATABASE_URL=self.url, DATABASE_OWNER_URL=self.owner_url, STATE_DIR=self.state_dir
            ):
                yield
        finally:
            for alias, values in saved.items():
                connections[alias].close()
                connections.settings[alias].update(values)

    def _point(self, alias: str, url: str) -> None:
        known = connections.settings[alias]
        connections[alias].close()
        known.update(EMPTY | database_settings(url, known["OPTIONS"]["options"]))


@dataclass(frozen=True)
class Session:
    """What all processes of one test session share: a folder, a server and a template."""

    folder: Path

    @classmethod
    def begin(cls) -> "Session":
        """Return a new session, after what killed ones left behind was cleared away."""
        for folder in Path(tempfile.gettempdir()).glob("ledger-test-*"):
            if cls(folder).is_dead():
                cls(folder).close()
        session = cls(Path(tempfile.mkdtemp(prefix="ledger-test-")))
        session.folder.chmod(0o755)  # as root, the server's account must get through
        return session

    def isolate(self) -> None:
        """Point `connections` nowhere, and whoever asks for a state folder into this session.

        A thread or a subprocess that a test forgot must not find a developer's own database. What
        tests send is not throttled.
        """
        os.environ["STATE_DIR"] = str(self.folder / "server")
        settings.STATE_DIR = self.folder / "server"
        os.environ.update(UNTHROTTLED)
        settings.THROTTLES = dict.fromkeys(settings.THROTTLES)
        for alias in ("default", "owner"):
            connections.settings[alias].update(EMPTY | NOWHERE)

    @property
    def prefix(self) -> str:
        """The start of the name of every database of this session."""
        return f"test_{self.folder.name.rpartition('-')[2].lower()}_"

    @property
    def template(self) -> str:
        return f"{self.prefix}template"

    def urls(self) -> tuple[str, str]:
        """Return the application's and the owner's URL of DATABASE_URL or the embedded server."""
        if SERVER_URL:
            return SERVER_URL, SERVER_OWNER_URL
        server = embedded.ensure_running(self.folder / "server")
        return server.url(), server.url(is_owner=True)

    def database(self, name: str, state_dir: Path) -> Database:
        """Return the database `name` on this session's server."""
        url, owner_url = self.urls()
        return Database(
            name=name,
            url=url_of(url, dbname=name, options="-c role=ledger_app"),
            owner_url=url_of(owner_url, dbname=name),
            state_dir=state_dir,
        )

    def ensure_template(self) -> None:
        """Create and migrate the template, once for all processes of the session."""
        done = self.folder / "template.done"
        with (self.folder / "template.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if done.exists():
                return
            self._administer("CREATE DATABASE {} TEMPLATE template0", self.template)
            with self.database(self.template, self.folder).in_use():
                call_command("migrate", verbosity=0, interactive=False)
            done.touch()

    @contextmanager
    def clone(self, state_dir: Path) -> Iterator[Database]:
        """Use a fresh copy of the template, and let it be dropped afterwards."""
        copies = _COPIES.get(self) or _COPIES.setdefault(self, Copies(self))
        database = self.database(copies.take(), state_dir)
        try:
            with database.in_use():
                yield database
        finally:
            copies.drop(database.name)

    def end_copies(self) -> None:
        """Make no more copies in this process."""
        copies = _COPIES.pop(self, None)
        if copies:
            copies.close()

    def hold(self) -> IO[str]:
        """Return the lock that tells others that this session lives; it ends with the process."""
        draft = (self.folder / "alive.new").open("w")
        fcntl.flock(draft, fcntl.LOCK_EX)
        Path(draft.name).rename(self.folder / "alive")  # nobody ever sees it unlocked
        return draft

    def is_dead(self) -> bool:
        """Return whether the process that held this session was killed."""
        try:
            with (self.folder / "alive").open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # it lives, was never held, or is another user's
            return False
        return True

    def close(self) -> None:
        """Drop this session's databases, or its whole server, and delete its folder."""
        self.end_copies()
        if (self.folder / "template.lock").exists():
            if not (self.folder / "server").exists():
                if not SERVER_URL:
                    return  # a dead session on a server that this one does not know
                # Without the template nobody makes another copy meanwhile.
                for name in sorted(self._names(), key=lambda name: name != self.template):
                    self._administer("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
                for name in self._names():
                    self._administer("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
            embedded.remove(self.folder / "server")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _names(self) -> list[str]:
        with closing(self._connect()) as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [self.prefix]
            )
            return [name for (name,) in cursor.fetchall()]

    def _connect(self) -> psycopg2.extensions.connection:
        return owner(self.urls()[1])

    def _administer(self, statement: str, *names: str) -> None:
        with closing(self._connect()) as connection, connection.cursor() as cursor:
            cursor.execute(SQL(statement).format(*map(Identifier, names)))


class Copies:
    """Makes copies of a session's template ahead of need and drops used ones, in threads.

    So no test waits for either. What is left at the end is dropped with the session.
    """

    AHEAD = 2
    UNDROPPED = 10

    def __init__(self, session: Session) -> None:
        self._session = session
        self._owner_url = session.urls()[1]  # not asked again: that could start a server anew
        self._ready: Queue[str | Exception] = Queue(self.AHEAD)
        self._used: Queue[str | None] = Queue(self.UNDROPPED)
        self._is_over = Event()
        self._threads = [Thread(target=one, daemon=True) for one in (self._make, self._drop)]
        for thread in self._threads:
            thread.start()

    def take(self) -> str:
        """Return the name of a fresh copy."""
        made = self._ready.get(timeout=COPY_SECONDS)
        if isinstance(made, Exception):
            raise made
        return made

    def drop(self, name: str) -> None:
        """Let a copy be dropped soon."""
        self._used.put(name, timeout=COPY_SECONDS)

    def close(self) -> None:
        """Make and drop no more."""
        self._is_over.set()
        with suppress(Empty):
            self._ready.get_nowait()
        self._used.put(None, timeout=COPY_SECONDS)
        for thread in self._threads:
            thread.join(COPY_SECONDS)

    def _make(self) -> None:
        while not self._is_over.is_set():
            name = f"{self._session.prefix}{uuid4().hex[:12]}"
            try:
                self._run("CREATE DATABASE {} TEMPLATE {}", name, self._session.template)
            except Exception as error:
                self._ready.put(error)
                return
            self._ready.put(name)

    def _drop(self) -> None:
        while (name := self._used.get()) is not None:
            with suppress(psycopg2.Error):  # the session drops it at its end
                self._run("DROP DATABASE {} WITH (FORCE)", name)

    def _run(self, statement: str, *names: str) -> None:
        with closing(owner(self._owner_url)) as connection, connection.cursor() as cursor:
            cursor.execute(SQL(statement).format(*map(Identifier, names)))


_COPIES: dict[Session, Copies] = {}  # of this process


def owner(url: str) -> psycopg2.extensions.connection:
    """Connect as the owner of all databases, outside of transactions."""
    connection = psycopg2.connect(url, connect_timeout=CONNECT_TIMEOUT_SECONDS)
    connection.autocommit = True
    return connection
