"""The relay: every committed task is published, in order, by one relay at a time (G8)."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from consumers import checkpoints, relay
from consumers.broker import BrokerUnavailable, Refused
from consumers.embedded import EmbeddedBroker
from consumers.relay import Page, Relay
from consumers.topology import TOPOLOGY, topology
from core import queue, sealing
from core.ids import new_id
from core.models import User
from core.storage import StoreUnavailable, store
from ledger.book import read
from projections.follow import catch_up
from tests.books import grant, write
from tests.integration.consumers.conftest import Rig, Seen, wait_until
from tests.integration.consumers.proxy import Proxy
from tests.integration.consumers.stories import Ordered, Trained, soon
from tests.jobs import Worker, give, granted, order_picture, trained_style

TRACE = f"00-{'a' * 32}-{'b' * 16}-01"
JOBS = ["image_generation", "model_training"]


@pytest.fixture
def broker(database: object) -> Iterator[EmbeddedBroker]:
    """Yield the embedded broker with every queue declared."""
    made = EmbeddedBroker()
    made.declare(TOPOLOGY)
    yield made
    made.close()


def taken() -> list[dict[str, Any]]:
    """Take and acknowledge every task that waits."""
    tasks = queue.take(JOBS, limit=1_000)
    for task in tasks:
        queue.ack(task.queue, message_id=task.id)
    return [json.loads(task.body) for task in tasks]


def ids(jobs: list[Ordered]) -> list[str]:
    return [str(job.task) for job in jobs]


def published() -> list[str]:
    """Return the ids of every task that waits, oldest first."""
    return [task["task_id"] for task in taken()]


def positions() -> dict[int, int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT shard, position FROM relay_shard")
        return dict(cursor.fetchall())


def file_at(link: str, settings: LazySettings) -> bytes:
    """Return what a worker gets at `link`."""
    assert link.startswith(settings.PUBLIC_URL)
    response = Client().get(link.removeprefix(settings.PUBLIC_URL))
    content: bytes = response.getvalue()
    return content


def test_a_generation_is_published_with_all_that_its_worker_needs(
    broker: EmbeddedBroker, settings: LazySettings
) -> None:
    job = Ordered(prompt="고래 🐳 at night").write()
    artist = {"username": "ada", "email": "ada@example.org", "artist_name": "Ada 작가"}
    User.objects.create(id=job.request.artist_id, **artist)
    store().put(job.request.model_key, b"the model", "application/octet-stream")
    Relay(broker).round()
    (task,) = queue.take(JOBS, limit=9)
    assert (task.queue, task.type, task.id) == ("image_generation",) * 2 + (str(job.task),)
    body = json.loads(task.body)
    upload, model = body.pop("upload"), body["data"].pop("model")
    hooks = f"{settings.PUBLIC_URL}/api/webhooks/generation"
    assert body == {
        "task_id": str(job.task),
        "type": "image_generation",
        "attempt": 1,
        "created_at": "2026-11-23T12:00:00.250000Z",
        "deadline": job.deadline_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "lease_seconds": settings.GENERATION_LEASE_SECONDS,
        "data": {
            "generation_id": str(job.id),
            "style_id": str(job.style),
            "prompt": "고래 🐳 at night",
            "mark": "Ada 작가",
            "parameters": {"size": "512x512", "steps": 50, "seed": 42},
        },
        "callback_url": f"{hooks}/complete",
        "callbacks": {
            step: f"{hooks}/{step}" for step in ("started", "progress", "complete", "failed")
        },
    }
    assert model["sha256"] == "c" * 64
    assert file_at(model["url"], settings) == b"the model"
    assert set(upload) == {"url", "fields"}


def test_a_training_is_published_with_its_pinned_images_in_order(
    broker: EmbeddedBroker, settings: LazySettings
) -> None:
    job = Trained().write()
    Relay(broker).round()
    (body,) = taken()
    assert (body["type"], body["task_id"]) == ("model_training", str(job.task))
    images = body["data"].pop("images")
    assert body["data"] == {
        "training_id": str(job.id),
        "style_id": str(job.style),
        "parameters": {"epochs": 200, "learning_rate": 0.0001, "seed": 7},
    }
    assert [image["caption"] for image in images] == ["kept", "better words 🎨", ""]
    assert [image["sha256"] for image in images] == ["2" * 64, "0" * 64, "1" * 64]
    assert body["lease_seconds"] == settings.TRAINING_LEASE_SECONDS
    assert set(body["checkpoint_upload"]) == {"url", "fields"}
    assert body["checkpoint_upload"] != body["upload"]
    files = [file_at(image["url"], settings) for image in images]
    assert files == [job.files[2], job.files[0], job.files[1]]
    assert body["callback_url"].endswith("/api/webhooks/training/complete")


def test_a_generation_waits_for_a_worker_of_its_models_family(
    broker: EmbeddedBroker, settings: LazySettings
) -> None:
    settings.MODEL_FAMILIES = ["sdxl", "flux"]
    broker.declare(topology(settings.MODEL_FAMILIES))
    plain, flux = Ordered().write(), Ordered(family="flux").write()
    Relay(broker).round()
    (task,) = queue.take(["image_generation.flux"], limit=9)
    assert (task.id, task.type) == (str(flux.task), "image_generation")
    assert [one.id for one in queue.take([*JOBS, "image_generation.sdxl"], limit=9)] == [
        str(plain.task)
    ]


def test_a_next_attempt_is_a_task_of_its_own_that_resumes(
    broker: EmbeddedBroker, settings: LazySettings
) -> None:
    generation, training = Ordered().write(), Trained().write()
    second, resumed = generation.queue_again(), training.queue_again()
    Relay(broker).round()
    bodies = {body["task_id"]: body for body in taken()}
    assert bodies.keys() == {str(generation.task), str(second), str(training.task), str(resumed)}
    assert bodies[str(second)]["attempt"] == 2
    assert bodies[str(second)]["data"]["prompt"] == generation.prompt
    checkpoint = bodies[str(resumed)]["data"]["checkpoint"]
    assert (checkpoint["sha256"], checkpoint["bytes"], checkpoint["epoch"]) == ("d" * 64, 9, 40)
    assert file_at(checkpoint["url"], settings) == training.files[0]
    assert "checkpoint" not in bodies[str(training.task)]["data"]


def test_a_trace_goes_on_with_the_task(broker: EmbeddedBroker) -> None:
    job = Ordered()
    traced = [one._replace(metadata=f'{{"traceparent":"{TRACE}"}}') for one in job.events()]
    write(grant(job.user, 100), traced)
    job.queue_again()
    Relay(broker).round()
    for task in queue.take(JOBS, limit=2):
        assert task.headers == {"traceparent": TRACE}
        assert json.loads(task.body)["traceparent"] == TRACE


class TestAgain:
    """A task that the broker has lost comes again, under its id (design section 8)."""

    @pytest.fixture(autouse=True)
    def _patience(self, settings: LazySettings) -> None:
        settings.REPUBLISH_SECONDS = 0.2

    def test_a_lost_task_is_published_again_until_it_is_started(
        self, broker: EmbeddedBroker
    ) -> None:
        user = new_id()
        give(granted(user, 100), order := order_picture(user, trained_style(new_id())))
        relay = Relay(broker)
        relay.round()
        assert str(order.task_id) in published()  # and lost: nobody works on it
        again = []
        until = time.monotonic() + 20
        while not again and time.monotonic() < until:
            time.sleep(0.06)
            catch_up()
            relay.publish_again()
            again = published()
        assert again == [str(order.task_id)]
        Worker("generation", order.task_id).tell("started")
        for _ in range(10):
            time.sleep(0.06)
            relay.publish_again()
        assert published() == []

    def lost(self, broker: EmbeddedBroker, count: int) -> tuple[Relay, list[str]]:
        """Return a relay whose tasks were lost, so many, and their ids, oldest first."""
        user, style = new_id(), trained_style(new_id())
        orders = [order_picture(user, style) for _ in range(count)]
        give(granted(user, 1_000), *orders)
        one = Relay(broker)
        while one.round():
            pass
        published()
        catch_up()
        one._look_again_at = 0.0
        time.sleep(0.25)
        return one, [str(order.task_id) for order in orders]

    def test_one_that_cannot_be_made_keeps_back_no_other(
        self, broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """G10."""
        one, lost = self.lost(broker, 3)
        made = relay.task_in

        def break_the_first(stream: str) -> Any:
            found = made(stream)
            if found and found[1].id == lost[0]:
                raise ValueError(stream)
            return found

        monkeypatch.setattr(relay, "task_in", break_the_first)
        one.publish_again()
        assert sorted(published()) == sorted(lost[1:])

    def test_a_failed_publish_is_tried_at_the_next_look(
        self, broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one, lost = self.lost(broker, 2)

        def fail(messages: list[Any], **_: object) -> list[Any]:
            return [BrokerUnavailable() for _ in messages]

        with monkeypatch.context() as patched:
            patched.setattr(broker, "publish_many", fail)
            with pytest.raises(BrokerUnavailable):
                one.publish_again()
        one._look_again_at = 0.0
        one.publish_again()
        assert sorted(published()) == sorted(lost)

    def test_no_transaction_is_open_while_the_broker_is_asked(
        self, broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A slow broker holds no snapshot and no lock in the database, this time or the first."""
        one, lost = self.lost(broker, 1)
        job = Ordered().write()
        session = connection.connection.info.backend_pid
        told: list[tuple[Any, ...]] = []

        def publish_many(messages: list[Any], **_: object) -> list[None]:
            with connections["owner"].cursor() as cursor:
                cursor.execute(
                    "SELECT state, xact_start FROM pg_stat_activity WHERE pid = %s", [session]
                )
                told.append(([message.id for _, message in messages], *cursor.fetchone()))
            return [None] * len(messages)

        monkeypatch.setattr(broker, "publish_many", publish_many)
        one.round()
        one.publish_again()
        assert told == [([str(job.task)], "idle", None), (lost, "idle", None)]
        assert connection.connection.info.backend_pid == session

    def test_a_pass_is_bounded_and_the_next_one_takes_the_rest(
        self, broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(relay, "MOST_AGAIN", 2)
        one, lost = self.lost(broker, 3)
        one.publish_again()
        first = published()
        one._look_again_at = 0.0
        one.publish_again()
        assert len(first) == 2
        assert sorted(first + published()) == sorted(lost)

    def test_one_that_waits_is_not_there_twice_and_the_pauses_grow(
        self, broker: EmbeddedBroker
    ) -> None:
        user = new_id()
        give(granted(user, 100), order := order_picture(user, trained_style(new_id())))
        relay = Relay(broker)
        relay.round()
        catch_up()
        times = 0
        until = time.monotonic() + 1.6
        while time.monotonic() < until:
            time.sleep(0.05)
            with_again = dict(relay._again)
            relay.publish_again()
            times += with_again != relay._again
        assert published().count(str(order.task_id)) == 1
        assert 2 <= times <= 4  # after 0.2, 0.4 and 0.8 s; one too many for its first sight


def test_every_task_is_published_once_and_in_the_order_of_its_shard(
    broker: EmbeddedBroker,
) -> None:
    one = Relay(broker)
    jobs = [Ordered().write() for _ in range(20)]
    while one.round():
        pass
    assert published() == ids(jobs)
    more = [Ordered().write() for _ in range(3)]
    one.round()
    assert published() == ids(more)
    assert not one.round()
    assert positions() == {shard: head.position for shard, head in read.heads().items()}


def test_a_round_asks_once_for_an_artists_name(broker: EmbeddedBroker) -> None:
    user, style = new_id(), trained_style(new_id())
    give(granted(user, 500), *(order_picture(user, style) for _ in range(5)))
    with CaptureQueriesContext(connection) as queries:
        assert Relay(broker).round()
    asked = [one for one in queries if 'FROM "core_user"' in one["sql"]]
    assert len(asked) == 1
    assert len(published()) == 5 + 1  # and the style's training


def test_after_a_crash_before_the_checkpoint_a_task_is_published_again(
    broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G12: better twice than never."""
    job = Ordered().write()

    def crash(*_: object) -> dict[int, int]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(checkpoints, "move", crash)
        with pytest.raises(KeyboardInterrupt):
            Relay(broker).round()
    assert published() == [str(job.task)]
    expire_leases()
    Relay(broker).round()
    assert published() == [str(job.task)]


def expire_leases() -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE relay_shard SET leased_until = now() - interval '1 second'")


def test_the_checkpoint_stops_before_the_first_task_that_was_not_confirmed(
    broker: EmbeddedBroker,
) -> None:
    queue.declare("image_generation", delivery_limit=1, max_length=2, lease_seconds=60)
    jobs = [Ordered().write() for _ in range(3)]
    one = Relay(broker)
    with pytest.raises(Refused, match="full"):
        one.round()
    third = next(row for row in read.page(3, 0) if row.stream == jobs[2].stream)
    assert positions()[3] == third.position - 1
    assert published() == ids(jobs[:2])
    while one.round():
        pass
    assert published() == ids(jobs[2:])


def test_results_per_task_say_how_far_a_page_is_done() -> None:
    task = (None, None)
    page = Page(3, 20, [(5, *task), (9, *task), (12, *task)])  # type: ignore[list-item]
    lost = BrokerUnavailable()
    assert page.reached([None, None, None]) == 20
    assert page.reached([None, lost, None]) == 8
    assert page.reached([lost, None, None]) == 4


def test_one_relay_publishes_and_the_other_stands_by_until_it_is_let(
    broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "RENEW_SECONDS", 0.0)
    first, second = Relay(broker), Relay(broker)
    first.round()
    job = Ordered().write()
    assert not second.round()
    assert published() == []
    stop = threading.Event()
    stop.set()
    first.run(stop)  # ends at once and lets go
    second.round()
    assert published() == [str(job.task)]


def test_a_relay_that_lost_its_lease_moves_no_checkpoint(broker: EmbeddedBroker) -> None:
    late, new = Relay(broker), Relay(broker)
    late.round()
    Ordered().write()
    expire_leases()
    new._renew()
    late.round()  # publishes, for it does not know yet
    assert positions()[3] == 0
    new.round()
    assert positions()[3] == read.heads()[3].position
    assert len(published()) == 1


def test_a_task_that_nobody_needs_is_left_out_and_holds_up_nothing(
    broker: EmbeddedBroker, settings: LazySettings
) -> None:
    Ordered(deadline_at=soon(-2)).write()  # over, and its grace of a minute as well
    erased = Ordered().write()
    sealing.erase(erased.user)
    job = Ordered().write()
    Relay(broker).round()
    assert published() == [str(job.task)]


def test_an_erased_artist_leaves_no_words_at_the_images(broker: EmbeddedBroker) -> None:
    job = Trained().write()
    sealing.erase(job.artist)
    Relay(broker).round()
    (body,) = taken()
    assert {image["caption"] for image in body["data"]["images"]} == {""}


def test_an_event_that_cannot_be_read_stops_its_shard_and_no_other(
    broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Ordered(shard=3).write()
    poison = Ordered(shard=3)
    write([poison.events()[0]._replace(data='{"user_id":"nobody"}')])
    Ordered(shard=3).write()
    other = Ordered(shard=4).write()
    one = Relay(broker)
    while one.round():
        pass
    assert sorted(published()) == sorted(ids([before, other]))
    assert positions()[3] == read.page(3, 0)[3].position - 1
    monkeypatch.setattr(relay, "task_of", lambda *_: None)  # mended
    monkeypatch.setattr(relay, "decode", lambda row: row)
    one._rests_until.clear()
    one.round()
    assert positions()[3] == read.heads()[3].position


def test_a_hole_in_the_book_stops_its_shard(
    broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G10."""
    job = Ordered().write()
    real = read.page

    def holed(shard: int, after: int, limit: int = 1_000) -> list[Any]:
        rows = real(shard, after, limit)
        raise read.BookIsCorrupt(f"A hole at {shard}-{rows[0].position}")

    with monkeypatch.context() as patched:
        patched.setattr(read, "page", holed)
        one = Relay(broker)
        assert not one.round()
        assert not one.round()  # rests
    assert published() == []
    expire_leases()
    Relay(broker).round()
    assert published() == [str(job.task)]


def test_a_round_is_bounded_and_serves_the_shards_in_turn(
    broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "ROUND_MESSAGES", 2)
    monkeypatch.setattr(relay, "PAGE_EVENTS", 6)
    for shard in (3, 4, 5):
        for _ in range(4):
            Ordered(shard=shard).write()
    one = Relay(broker)
    rounds = []
    while one.round():
        rounds.append([id_[-2:] for id_ in published()])
    assert [set(each) for each in rounds[:3]] == [{"03"}, {"04"}, {"05"}]
    assert sum(len(each) for each in rounds) == 12


@pytest.mark.usefixtures("database")
def test_tasks_flow_through_either_broker_while_its_connection_is_cut(rig: Rig) -> None:
    with Proxy(rig.target()) as proxy:
        rig.go_through(proxy)
        # What is taken while the answer is cut off comes again when its lease ends: soon, here.
        queues = [replace(one, lease_seconds=1.0) for one in TOPOLOGY]
        broker, seen, stop = rig.make(queues), Seen(), threading.Event()
        broker.consume(["image_generation"], seen, prefetch=20)
        runner = threading.Thread(target=Relay(broker).run, args=[stop])
        runner.start()
        jobs = []
        for number in range(30):
            assert wait_until(lambda: try_to(lambda: jobs.append(Ordered().write())))
            if number % 10 == 5:
                proxy.cut()
        assert wait_until(lambda: set(ids(jobs)) <= set(seen.ids), 30)
        proxy.refuse()  # it cannot even let go of its lease
        stop.set()
        runner.join(10)
        assert not runner.is_alive()
        proxy.accept()
        rig.close()


def test_a_store_that_is_away_is_waited_for(
    broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, stop, refused = Ordered().write(), threading.Event(), threading.Event()

    def refuse(*_: object) -> None:
        refused.set()
        raise StoreUnavailable

    with monkeypatch.context() as patched:
        patched.setattr(relay, "task_of", refuse)
        runner = threading.Thread(target=Relay(broker).run, args=[stop])
        runner.start()
        assert refused.wait(10)
    assert queue.take(JOBS, wait_seconds=10)[0].id == str(job.task)
    stop.set()
    runner.join(10)


def try_to(act: Any) -> bool:
    """Return whether `act` worked; the writer's own connection may have been cut."""
    try:
        act()
    except Exception:
        connection.close()
        return False
    return True


def test_from_commit_to_an_idle_worker_takes_a_fraction_of_a_second(
    broker: EmbeddedBroker,
) -> None:
    stop = threading.Event()
    runner = threading.Thread(target=Relay(broker).run, args=[stop])
    runner.start()
    try:
        taken_after = []
        for _ in range(5):
            Ordered().write()
            before = time.monotonic()
            assert queue.take(JOBS, wait_seconds=5)
            taken_after.append(time.monotonic() - before)
        assert sorted(taken_after)[2] < 0.5
    finally:
        stop.set()
        runner.join(10)
