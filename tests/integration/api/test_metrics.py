"""`/metrics`: what a monitor is told, by any process, and who may read it."""

import os
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.conf import LazySettings
from django.db import connection
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from consumers.amqp import delete_queues
from consumers.broker import Message
from consumers.connect import connect
from consumers.relay import Relay
from consumers.topology import RESULTS, TOPOLOGY
from core.ids import new_id
from core.models import Role
from ledger.book import read
from ledger.handlers import handle
from ledger.orders import Context, Order
from projections.follow import catch_up
from tests.callers import Caller, call, code
from tests.jobs import Worker, give, granted, order_picture, trained_style

pytestmark = pytest.mark.usefixtures("database")
Figures = dict[tuple[str, ...], float]


@pytest.fixture(autouse=True)
def _embedded(settings: LazySettings) -> None:
    settings.AMQP_URL = settings.QUEUE_PREFIX = ""


def figures() -> Figures:
    """Return what is shown: the name and the values of the labels, and the figure."""
    response = call("GET", "/metrics")
    assert response.status_code == 200, response.content
    assert response["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(response.content.decode())
        for sample in family.samples
    }


def ordered(count: int = 1) -> list[Worker]:
    """Order pictures; return a worker for the task of each."""
    style = trained_style(new_id())
    workers = []
    for _ in range(count):
        user = new_id()
        give(granted(user, 100), order := order_picture(user, style))
        workers.append(Worker("generation", order.task_id))
    return workers


def change(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def test_an_empty_system_shows_every_figure_that_alarms_are_made_of() -> None:
    shown = figures()
    assert shown["ledger_events_total",] == 0
    assert shown["ledger_jobs", "generation", "queued"] == 0
    assert shown["ledger_jobs_ended_total", "training", "failed"] == 0
    assert shown["ledger_oldest_hold_seconds", "generation"] == 0
    assert shown["ledger_timer_overdue_seconds", "deadlines"] == 0
    assert shown["ledger_projection_lag_seconds", "generations"] == 0
    assert shown["ledger_projection_shards", "generations"] == 0  # none ever ran
    assert shown["ledger_relay_lag_seconds",] == 0
    assert shown["ledger_relay_shards",] == 0
    assert shown["ledger_broker_up",] == 1
    assert shown["ledger_dead_letters", "ledger.results.dead"] == 0


def test_events_jobs_and_holds_are_counted() -> None:
    first, second, _ = ordered(3)
    first.tell("started")
    second.tell("started")
    second.tell("failed", {"code": "moderation", "message": "no", "retryable": False})
    catch_up()
    change("update generation set created_at = created_at - interval '1 hour'")

    shown = figures()

    assert shown["ledger_events_total",] == sum(one.position for one in read.heads().values())
    assert shown["ledger_typed_events_total", "GenerationRequested"] == 3
    assert shown["ledger_jobs", "generation", "queued"] == 1
    assert shown["ledger_jobs", "generation", "processing"] == 1
    assert shown["ledger_jobs_ended_total", "generation", "failed"] == 1
    assert shown["ledger_jobs_ended_total", "training", "completed"] == 1
    assert 3_600 <= shown["ledger_oldest_hold_seconds", "generation"] < 4_200


def test_who_is_behind_is_shown_in_events_and_seconds() -> None:
    catch_up()
    relay = Relay(connect())
    while relay.round():
        pass
    assert figures()["ledger_relay_shards",] == 16
    ordered()

    behind = figures()
    lag = sum(one.position for one in read.heads().values())
    assert behind["ledger_projection_lag_events", "generations"] == lag
    assert behind["ledger_projection_lag_seconds", "generations"] > 0
    assert behind["ledger_relay_lag_events",] == lag
    assert behind["ledger_relay_lag_seconds",] > 0

    catch_up()
    shown = figures()
    assert shown["ledger_projection_lag_events", "generations"] == 0
    assert shown["ledger_projection_lag_seconds", "generations"] == 0
    assert shown["ledger_projection_shards", "generations"] == 16

    change("update relay_shard set leased_until = now() - interval '1 second'")
    assert figures()["ledger_relay_shards",] == 0


def test_a_projection_that_stopped_is_shown() -> None:
    ordered()
    catch_up()
    change(
        "update projection_checkpoint set state = 'stopped', error = 'x'"
        " where projection = 'styles' and shard < 3"
    )
    assert figures()["ledger_projection_stopped_shards", "styles"] == 3


def test_timers_that_do_nothing_are_shown() -> None:
    ordered()
    catch_up()
    change("update generation set deadline_at = now() - interval '2 minutes'")
    assert 120 <= figures()["ledger_timer_overdue_seconds", "deadlines"] < 720


def test_refusals_are_counted_by_code() -> None:
    user = new_id()
    for _ in range(2):
        handle([Order(order_picture(user, trained_style(new_id())), Context(actor="test"))])
    assert figures()["ledger_refusals_total", "insufficient_tokens"] == 2


@pytest.mark.parametrize("kind", ["embedded", pytest.param("rabbit", marks=pytest.mark.rabbitmq)])
def test_dead_letters_are_counted_in_either_broker(kind: str, settings: LazySettings) -> None:
    if kind == "rabbit":
        settings.AMQP_URL = os.environ["AMQP_URL"]
        settings.QUEUE_PREFIX = f"test-{uuid4().hex[:12]}."
        assert figures()["ledger_dead_letters", "ledger.results.dead"] == 0  # no queue yet
    broker = connect()
    broker.declare(TOPOLOGY)
    for number in range(3):
        broker.publish(RESULTS + ".dead", Message(id=f"id-{number}", type="a.b", body=b"{}"))

    shown = figures()

    assert shown["ledger_broker_up",] == 1
    assert shown["ledger_dead_letters", "ledger.results.dead"] == 3
    assert shown["ledger_dead_letters", "model_training.dead"] == 0
    broker.close()
    if kind == "rabbit":
        delete_queues(settings.AMQP_URL, TOPOLOGY, settings.QUEUE_PREFIX)


@pytest.mark.rabbitmq
@pytest.mark.parametrize("login", ["guest:guest@127.0.0.1:1", "guest:wrong@127.0.0.1:5672"])
def test_a_broker_that_is_away_is_shown_beside_all_else(login: str, settings: LazySettings) -> None:
    settings.AMQP_URL = f"amqp://{login}/"
    shown = figures()
    assert shown["ledger_broker_up",] == 0
    assert shown["ledger_events_total",] == 0
    assert not [name for name, *_ in shown if name == "ledger_dead_letters"]


class TestWhoMayRead:
    def read(self, sent: str | None = None, address: str = "127.0.0.1") -> Any:
        headers = {"Authorization": sent} if sent is not None else {}
        return Client(REMOTE_ADDR=address).get("/metrics", headers=headers)

    def test_with_a_token_only_who_sends_it(
        self, settings: LazySettings, person: Callable[..., Caller]
    ) -> None:
        settings.METRICS_TOKEN = "t0ken"
        assert self.read("Bearer t0ken", "203.0.113.9").status_code == 200
        for sent in (
            None, "", "t0ken", "Bearer", "Bearer t0ke", "Bearer t0ken2", "bearer t0ken",
            "Bearer 토큰", f"Bearer {person('olga', Role.OPERATOR).key}",
        ):  # fmt: skip
            response = self.read(sent)
            assert code(response) == (401, "metrics_token_needed"), sent
            assert response["WWW-Authenticate"] == "Bearer"

    @pytest.mark.parametrize("address", ["127.0.0.1", "127.8.0.1", "::1"])
    def test_without_one_this_machine_alone_while_it_is_developed(
        self, settings: LazySettings, address: str
    ) -> None:
        assert self.read(address=address).status_code == 200
        settings.PRODUCTION = True
        assert code(self.read(address=address)) == (401, "metrics_token_needed")

    @pytest.mark.parametrize("address", ["203.0.113.9", "10.0.0.2", "::2", "", "unix:"])
    def test_without_one_nobody_from_elsewhere(self, address: str) -> None:
        assert code(self.read(address=address)) == (401, "metrics_token_needed")

    def test_an_empty_bearer_is_no_token(self, settings: LazySettings) -> None:
        settings.PRODUCTION = True
        assert code(self.read("Bearer ")) == (401, "metrics_token_needed")


@pytest.mark.parametrize("accepted", ["application/openmetrics-text;version=1.0.0", "image/png"])
def test_there_is_one_format_whatever_is_accepted(accepted: str) -> None:
    response = call("GET", "/metrics/", headers={"Accept": accepted})
    assert response["Content-Type"].startswith("text/plain")


def test_no_person_and_no_id_is_in_the_figures() -> None:
    ordered()
    catch_up()
    shown = [label for _, *labels in figures() for label in labels]
    assert shown
    assert all(len(label) < 36 and "@" not in label for label in shown)
