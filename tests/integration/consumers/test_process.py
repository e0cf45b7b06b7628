"""The process of consumers: starts, serves, stops at SIGTERM, and says why it cannot (exit 2)."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from uuid import uuid4

import pika
import pytest
from django.conf import LazySettings
from django.db import OperationalError

from consumers import process
from consumers.broker import BrokerUnavailable
from consumers.connect import connect
from consumers.embedded import EmbeddedBroker
from consumers.process import RelayEnded, serve
from consumers.rabbitmq import RabbitBroker
from consumers.topology import TOPOLOGY
from core import queue
from tests.databases import Database
from tests.integration.consumers.clients import Client
from tests.integration.consumers.conftest import wait_until
from tests.integration.consumers.stories import Ordered

ROOT = Path(__file__).resolve().parents[3]
DEAF = "amqp://guest:secret@127.0.0.1:1/"  # nothing listens there


def start(database: Database, *arguments: str, **env: str) -> subprocess.Popen[str]:
    """Start a management command on the database of this test."""
    return subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=database.env | {"AMQP_URL": "", "LOG_LEVEL": "INFO"} | env,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_the_relay_command_publishes_until_sigterm(database: Database) -> None:
    job = Ordered().write()
    running = start(database, "relay")
    try:
        assert wait_until(lambda: not queue.missing(["image_generation"]), 30)
        (task,) = queue.take(["image_generation"], wait_seconds=30)
        assert task.id == str(job.task)
    finally:
        running.send_signal(signal.SIGTERM)
        out, err = running.communicate(timeout=20)
    assert running.returncode == 0, out + err


def test_a_part_can_be_run_alone(database: Database) -> None:
    ann, ben = Client(tokens=100), Client()
    running = start(database, "consumers", "--only", "commands")
    try:
        assert wait_until(lambda: not queue.missing(["ledger.commands"]), 30)
        EmbeddedBroker().publish("ledger.commands", ann.transfer(ben, 30))
        assert wait_until(lambda: ben.paid == 30, 30)
    finally:
        running.send_signal(signal.SIGTERM)
        out, err = running.communicate(timeout=20)
    assert running.returncode == 0, out + err


def test_a_broker_that_is_away_at_start_ends_the_process_with_code_2(database: Database) -> None:
    """AMQP_URL set but unreachable: no silent fall-back (design section 13)."""
    before = time.monotonic()
    running = start(database, "consumers", AMQP_URL=DEAF, BROKER_START_SECONDS="1")
    _, err = running.communicate(timeout=30)
    assert running.returncode == 2
    assert "not reachable within 1 s: 127.0.0.1:1" in err
    assert "secret" not in err
    assert time.monotonic() - before < 20


@pytest.mark.rabbitmq
def test_a_queue_of_another_type_ends_the_process_and_says_how_to_mend_it(
    database: Database,
) -> None:
    prefix = f"test-{uuid4().hex[:12]}."
    with pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"])) as server:
        channel = server.channel()
        channel.queue_declare(f"{prefix}ledger.results", durable=True)  # a classic one
        try:
            running = start(
                database, "consumers", AMQP_URL=os.environ["AMQP_URL"], QUEUE_PREFIX=prefix
            )
            _, err = running.communicate(timeout=30)
            assert running.returncode == 2
            assert f"{prefix}ledger.results" in err
            assert "rabbitmqctl delete_queue" in err
        finally:
            for known in TOPOLOGY:
                channel.queue_delete(prefix + known.name)


def test_the_settings_choose_the_broker(settings: LazySettings) -> None:
    settings.AMQP_URL = ""
    assert isinstance(connect(), EmbeddedBroker)
    settings.AMQP_URL = DEAF
    assert isinstance(connect(), RabbitBroker)


def test_serving_takes_results_and_ends_when_told(database: Database) -> None:
    stop = threading.Event()
    server = threading.Thread(
        target=serve, args=[EmbeddedBroker(), stop], kwargs={"parts": ["relay", "results"]}
    )
    server.start()
    job = Ordered().write()
    assert wait_until(lambda: not queue.missing(["image_generation"]))
    assert queue.take(["image_generation"], wait_seconds=10)[0].id == str(job.task)
    stop.set()
    server.join(15)
    assert not server.is_alive()


def test_results_alone_are_served_without_a_relay(database: Database) -> None:
    Ordered().write()
    stop = threading.Event()
    server = threading.Thread(
        target=serve, args=[EmbeddedBroker(), stop], kwargs={"parts": ["results"]}
    )
    server.start()
    assert wait_until(lambda: not queue.missing(["image_generation"]))
    assert queue.take(["image_generation"], wait_seconds=1) == []
    stop.set()
    server.join(15)
    assert not server.is_alive()


def test_a_relay_that_ends_by_itself_ends_the_process(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Short:
        def __init__(self, broker: object) -> None: ...

        def run(self, stop: threading.Event) -> None:
            """End at once."""

    monkeypatch.setattr(process, "Relay", Short)
    with pytest.raises(RelayEnded):
        serve(EmbeddedBroker(), threading.Event(), ["relay"])


def test_results_that_end_by_themselves_end_the_process(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> list[queue.Taken]:
        raise ZeroDivisionError

    monkeypatch.setattr(queue, "take", fail)
    with pytest.raises(ZeroDivisionError):
        serve(EmbeddedBroker(), threading.Event(), ["results"])


def test_a_database_that_is_away_at_start_is_a_broker_that_is_away(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OperationalError("away")

    monkeypatch.setattr(queue, "declare", fail)
    with pytest.raises(BrokerUnavailable, match="away"):
        serve(EmbeddedBroker(start_seconds=0.2), threading.Event(), [])
