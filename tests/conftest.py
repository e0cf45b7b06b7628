"""Fixtures of all tests: a database per test, and what happens where a service is missing."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest
from pytest_django import DjangoDbBlocker

from demo.rabbitmq_nodes import is_installed
from tests.databases import Database, Session

SESSION = pytest.StashKey[Session]()
LOCK = pytest.StashKey[IO[str]]()
MISSING = "missing service: "


def pytest_configure(config: pytest.Config) -> None:
    """Begin a session, or join that of the process which started this one."""
    if hasattr(config, "workerinput"):
        session = Session(Path(config.workerinput["session_folder"]))
    else:
        session = Session.begin()
        config.stash[LOCK] = session.hold()
        signal.signal(signal.SIGTERM, end)
    session.isolate()
    config.stash[SESSION] = session


def end(*_: object) -> None:
    """End the session in order, so that pytest_unconfigure is still called."""
    pytest.exit("terminated", returncode=128 + signal.SIGTERM)


@pytest.hookimpl(optionalhook=True)  # the hook exists only where xdist is active
def pytest_configure_node(node: Any) -> None:
    """Tell a worker the folder of its session."""
    node.workerinput["session_folder"] = str(node.config.stash[SESSION].folder)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave nothing behind: neither databases nor the folder."""
    config.stash[SESSION].end_copies()
    if not hasattr(config, "workerinput"):
        config.stash[SESSION].close()
        config.stash[LOCK].close()


@pytest.fixture(scope="session")
def django_db_setup() -> None:
    """Stand in for pytest-django's own database, which flushes what may not be flushed."""
    pytest.fail("Use the fixture `database`: the book refuses TRUNCATE.")


@pytest.fixture(scope="session")
def template(request: pytest.FixtureRequest, django_db_blocker: DjangoDbBlocker) -> Session:
    """Return the session whose template database is migrated."""
    session = request.config.stash[SESSION]
    with django_db_blocker.unblock():
        session.ensure_template()
    return session


@pytest.fixture
def database(
    template: Session, tmp_path: Path, django_db_blocker: DjangoDbBlocker
) -> Iterator[Database]:
    """Yield a fresh migrated database that `connections` point at: "default" as ledger_app."""
    state_dir = tmp_path / "state"
    state_dir.mkdir()
    with django_db_blocker.unblock(), template.clone(state_dir) as cloned:
        yield cloned


@pytest.fixture(scope="module")
def shared_database(
    template: Session,
    tmp_path_factory: pytest.TempPathFactory,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[Database]:
    """Yield one database for the tests of a module that leave nothing behind."""
    state_dir = tmp_path_factory.mktemp("state")
    with django_db_blocker.unblock(), template.clone(state_dir) as cloned:
        yield cloned


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose service is missing; with CI=true that is a failure."""
    if reason := missing_service(item):
        if os.environ.get("CI") == "true":
            pytest.fail(f"{MISSING}{reason}", pytrace=False)
        pytest.skip(f"{MISSING}{reason}")


def missing_service(item: pytest.Item) -> str:
    """Return which service `item` lacks and why, or nothing."""
    marker = item.get_closest_marker("rabbitmq")
    if marker is None:
        return ""
    if marker.kwargs.get("own_nodes"):
        return "" if is_installed() else "rabbitmq (rabbitmq-server is not installed)"
    return "" if os.environ.get("AMQP_URL") else "rabbitmq (AMQP_URL is not set)"


@pytest.hookimpl(wrapper=True, tryfirst=True)  # outermost, so that its lines come last
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """Say in the last lines what was skipped for a missing service."""
    yield
    skipped = terminalreporter.stats.get("skipped", [])
    if "SKIPS_FILE" in os.environ:  # `make test` wants to know
        Path(os.environ["SKIPS_FILE"]).write_text("\n".join(report.nodeid for report in skipped))
    counts: dict[str, int] = {}
    for report in skipped:
        if isinstance(report.longrepr, tuple) and MISSING in report.longrepr[2]:
            reason = report.longrepr[2].partition(MISSING)[2]
            counts[reason] = counts.get(reason, 0) + 1
    for reason, count in sorted(counts.items()):
        terminalreporter.line(f"SKIPPED {count} tests for a missing service: {reason}", yellow=True)
