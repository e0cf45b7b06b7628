"""What a worker's callback does to a job and its tokens, and what it is told (section 9)."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from pytest_django import Settings

from core.ids import new_id
from core.sealing import erase, open_text
from core.storage import ObjectMissing, StoreUnavailable, local_store, store
from ledger import callbacks, results
from ledger.book import read
from ledger.callbacks import Answer, CallbackReused
from ledger.domain.errors import ForeignTask, RuleBroken, UnknownTask
from ledger.domain.job import HoldStatus, JobStatus
from ledger.objects import checkpoint_key, model_key, picture_key
from ledger.orders import Busy, Order, Refused, Result
from tests.jobs import (
    Worker,
    announced,
    balance,
    drafted,
    give,
    granted,
    model,
    order_picture,
    picture,
    state_of,
    trained_style,
    training_of,
)

pytestmark = pytest.mark.usefixtures("database")

PRICE = 100


@pytest.fixture
def artist() -> UUID:
    return new_id()


@pytest.fixture
def user() -> UUID:
    return new_id()


@pytest.fixture
def worker(artist: UUID, user: UUID) -> Worker:
    """A worker that holds the task of a picture which was ordered and is paid by a hold."""
    order = order_picture(user, trained_style(artist, price=PRICE))
    give(granted(user, 150), order)
    return Worker("generation", order.task_id, uuid4())


@pytest.fixture
def trainer(artist: UUID) -> Worker:
    """A worker that holds the task of a training."""
    style_id, drafting = drafted(artist)
    request = training_of(style_id, artist)
    give(*drafting, granted(artist, 100), request)
    return Worker("training", request.task_id, uuid4())


def job_of(worker: Worker) -> Any:
    """Return the worker's job as it stands in the book."""
    named = worker.task.bytes
    job_id = UUID(bytes=named[:14] + bytes(1) + named[15:])
    return state_of(f"{worker.kind}-{job_id}").job


def running(worker: Worker) -> Worker:
    assert worker.tell("started", {"worker": "kit/1"}).disposition == "applied"
    return worker


def refusal(worker: Worker, action: str, data: Any = None, **given: Any) -> tuple[int, str, Any]:
    """Return status, code and field of the refusal of a callback that changes nothing."""
    before = read.heads()
    with pytest.raises(RuleBroken) as refused:
        worker.tell(action, data, **given)
    assert read.heads() == before
    return refused.value.status, refused.value.code, refused.value.details.get("field")


class TestAGeneration:
    def test_completion_pays_when_the_picture_is_stored(self, worker: Worker, user: UUID) -> None:
        """G5, G6."""
        running(worker)
        worker.upload(picture())

        answer = worker.tell("complete", announced(picture()))

        assert answer.as_json() == {"status": "ok", "disposition": "applied", "cancel": False}
        assert answer.position is not None
        assert (job_of(worker).status, job_of(worker).hold) == (
            JobStatus.COMPLETED, HoldStatus.CAPTURED,
        )  # fmt: skip
        assert balance(user) == (50, 0)

    def test_what_was_checked_is_what_is_kept(self, worker: Worker) -> None:
        """G6: the worker's own place is not read again."""
        running(worker)
        worker.upload(picture())
        said = announced(picture())
        worker.tell("complete", said)
        worker.upload(b"something else")

        key = picture_key(callbacks.job_id_of(worker.task), said["sha256"])
        assert store().read(key, 1_000_000) == picture()

    def test_the_picture_is_served_as_what_it_is_not_as_what_was_said(self, worker: Worker) -> None:
        running(worker)
        worker.upload(picture())
        worker.tell("complete", announced(picture(), content_type="image/jpeg"))

        stream = f"generation-{callbacks.job_id_of(worker.task)}"
        assert state_of(stream).result.content_type == "image/png"

    def test_a_failure_gives_the_hold_back(self, worker: Worker, user: UUID) -> None:
        """G5."""
        running(worker)

        answer = worker.tell("failed", {"code": "moderation", "message": "Not\x00 this\n"})

        job = job_of(worker)
        assert answer.disposition == "applied"
        assert (job.status, job.failure_code) == (JobStatus.FAILED, "moderation")
        assert open_text(job.failure_message.sealed, job.failure_message.key) == "Not this"
        assert balance(user) == (150, 0)

    def test_a_completion_without_success_is_a_failure(self, worker: Worker, user: UUID) -> None:
        """The seed guide's form."""
        running(worker)

        worker.tell("complete", {"success": False, "error": "out of memory"})

        job = job_of(worker)
        assert (job.status, job.failure_code) == (JobStatus.FAILED, "worker_failed")
        assert open_text(job.failure_message.sealed, job.failure_message.key) == "out of memory"
        assert balance(user) == (150, 0)

    def test_nothing_is_kept_that_was_said_to_an_erased_person(
        self, worker: Worker, user: UUID
    ) -> None:
        """G14: their job ends all the same."""
        running(worker)
        erase(user)

        worker.tell("failed", {"code": "moderation", "message": "A fox, as you asked"})

        job = job_of(worker)
        assert (job.status, job.failure_message) == (JobStatus.FAILED, None)

    def test_each_new_tenth_of_the_way_is_noted(self, worker: Worker) -> None:
        running(worker)
        percents = []
        for percent in (5, 12, 19, 40):
            assert worker.tell("progress", {"percent": percent}).disposition == "applied"
            percents.append(job_of(worker).percent)

        assert percents == [0, 12, 12, 40]

    def test_reports_of_progress_are_remembered_under_no_key(self, worker: Worker) -> None:
        running(worker)
        worker.tell("progress", {"percent": 10}, callback_id="p")

        answer = worker.tell("progress", {"percent": 20}, callback_id="p")

        assert answer.disposition == "applied"


class TestATraining:
    def test_completion_gives_the_style_its_model(self, trainer: Worker, artist: UUID) -> None:
        running(trainer)
        progress = {"percent": 50, "current_epoch": 5, "total_epochs": 10}
        assert trainer.tell("progress", progress).disposition == "applied"
        trainer.upload(model())
        metrics = {"loss": 0.25, "epochs": 10}

        answer = trainer.tell(
            "complete", announced(model(), "application/x-anything") | {"metrics": metrics}
        )

        state = state_of(f"training-{callbacks.job_id_of(trainer.task)}")
        style = state_of(f"style-{state.request.style_id}")
        assert answer.disposition == "applied"
        assert (state.epoch, state.total_epochs) == (5, 10)
        assert state.result.metrics == (("epochs", "10"), ("loss", "0.25"))
        assert style.model.model_key == model_key(
            state.request.style_id, announced(model())["sha256"]
        )
        assert store().read(style.model.model_key, 1_000) == model()
        assert balance(artist) == (0, 0)

    def test_epochs_need_not_be_told(self, trainer: Worker) -> None:
        running(trainer)

        assert trainer.tell("progress", {"percent": 50}).disposition == "applied"

    def test_the_style_gets_the_family_that_its_model_states(
        self, trainer: Worker, settings: Settings
    ) -> None:
        settings.MODEL_FAMILIES = ["flux"]
        running(trainer)
        trainer.upload(model("flux"))

        assert trainer.tell("complete", announced(model("flux"))).disposition == "applied"

        state = state_of(f"training-{callbacks.job_id_of(trainer.task)}")
        style = state_of(f"style-{state.request.style_id}")
        assert (state.result.model_family, style.model.model_family) == ("flux", "flux")
        user = new_id()
        give(granted(user, 100), order := order_picture(user, state.request.style_id))
        assert state_of(order.stream).request.model_family == "flux"

    def test_a_model_of_a_family_without_a_queue_is_invalid(self, trainer: Worker) -> None:
        running(trainer)
        trainer.upload(model("flux"))

        assert trainer.tell("complete", announced(model("flux"))).code == "result_invalid"
        assert job_of(trainer).status == JobStatus.RETRYING

    def test_a_failure_gives_the_hold_back(self, trainer: Worker, artist: UUID) -> None:
        running(trainer)

        trainer.tell("failed", {"code": "out_of_memory", "retryable": False})

        assert job_of(trainer).failure_message is None
        assert balance(artist) == (100, 0)

    def test_a_picture_is_no_model(self, trainer: Worker, artist: UUID) -> None:
        running(trainer)
        trainer.upload(picture())

        assert trainer.tell("complete", announced(picture())).code == "result_invalid"
        assert job_of(trainer).status == JobStatus.RETRYING
        assert balance(artist) == (0, 100)


class TestACheckpoint:
    def test_it_is_kept_where_no_worker_can_write(self, trainer: Worker) -> None:
        running(trainer)
        said = trainer.save(b"weights", epoch=40)
        body = trainer.body({"percent": 20, "checkpoint": said})

        answer = trainer.send("progress", body)

        last = job_of(trainer).checkpoint
        assert (answer.disposition, answer.checkpoint) == ("applied", "kept")
        assert answer.as_json()["checkpoint"] == "kept"
        assert (last.epoch, last.sha256, last.bytes) == (40, said["sha256"], 7)
        assert last.key == checkpoint_key(callbacks.job_id_of(trainer.task), said["sha256"])
        trainer.save(b"changed", epoch=41)
        assert store().read(last.key, 100) == b"weights"
        again = trainer.send("progress", body)
        assert (again.disposition, again.checkpoint) == ("stale", "kept")

    @pytest.mark.parametrize(
        "wrong", [{"sha256": "0" * 64}, {"bytes": 8}, {"epoch": 40}, {"epoch": 3}]
    )
    def test_one_that_is_not_as_announced_or_not_further_is_rejected_but_not_the_report(
        self, trainer: Worker, wrong: dict[str, Any]
    ) -> None:
        running(trainer)
        first = trainer.save(b"first", epoch=40)
        trainer.tell("progress", {"percent": 20, "checkpoint": first})
        said = trainer.save(b"weights", **({"epoch": 50} | wrong))

        answer = trainer.tell("progress", {"percent": 30, "checkpoint": said})

        assert (answer.disposition, answer.checkpoint) == ("applied", "rejected")
        assert job_of(trainer).percent == 30
        assert job_of(trainer).checkpoint.epoch == 40

    def test_one_that_nobody_stored_is_rejected(self, trainer: Worker) -> None:
        running(trainer)
        said = {"epoch": 1, "sha256": "0" * 64, "bytes": 1}

        answer = trainer.tell("progress", {"percent": 20, "checkpoint": said})

        assert (answer.disposition, answer.checkpoint) == ("applied", "rejected")

    def test_of_a_second_claim_nothing_is_kept(self, trainer: Worker) -> None:
        running(trainer)
        said = trainer.save(b"weights", epoch=40)

        answer = trainer.tell(
            "progress", {"percent": 20, "checkpoint": said}, claim=str(uuid4()), sequence=99
        )

        assert (answer.disposition, answer.checkpoint) == ("stale", "rejected")
        key = checkpoint_key(callbacks.job_id_of(trainer.task), said["sha256"])
        with pytest.raises(ObjectMissing):
            store().read(key, 100)

    @pytest.mark.parametrize(
        "said",
        [7, [], {}, {"epoch": -1, "sha256": "0" * 64, "bytes": 1}, {"epoch": 1, "sha256": "x"}],
    )
    def test_one_of_another_form_is_refused(self, trainer: Worker, said: Any) -> None:
        running(trainer)

        told = refusal(trainer, "progress", {"percent": 20, "checkpoint": said})

        assert told[:2] == (422, "malformed_callback")


BROKEN: list[tuple[bytes | None, dict[str, Any], str]] = [
    (None, announced(picture()), "result_missing"),
    (picture(), announced(picture()) | {"sha256": "0" * 64}, "result_invalid"),
    (picture(), announced(picture()) | {"bytes": 7}, "result_invalid"),
    (picture(256), announced(picture(256)), "result_invalid"),
    (b"no picture", announced(b"no picture"), "result_invalid"),
    (picture()[:-20], announced(picture()[:-20]), "result_invalid"),
    (b"", announced(b""), "result_invalid"),
]


@pytest.mark.parametrize(("stored", "said", "code"), BROKEN)
def test_a_result_that_is_not_there_as_announced_fails_the_attempt(
    worker: Worker, user: UUID, stored: bytes | None, said: dict[str, Any], code: str
) -> None:
    """G6: nothing is paid, the answer says why, and the job is tried again."""
    running(worker)
    if stored is not None:
        worker.upload(stored)

    answer = worker.tell("complete", said)

    assert answer.as_json() == {
        "status": "ok", "disposition": "rejected", "cancel": False, "code": code,
    }  # fmt: skip
    job = job_of(worker)
    assert (job.status, job.failure_code) == (JobStatus.RETRYING, code)
    assert balance(user) == (50, 100)


def test_a_result_that_is_too_large_fails_the_attempt(
    worker: Worker, user: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "MAX_RESULT_BYTES", 100)
    running(worker)
    worker.upload(picture())

    assert worker.tell("complete", announced(picture())).code == "result_invalid"
    assert balance(user) == (50, 100)


def test_a_store_that_does_not_answer_fails_nothing(worker: Worker, user: UUID) -> None:
    """The worker is told to come again, and may."""
    running(worker)
    worker.upload(picture())
    body = worker.body(announced(picture()))
    folder = local_store().root / "uploads"
    folder.rename(folder.with_name("away"))
    folder.write_bytes(b"")
    folder.chmod(0)
    folder.unlink()
    folder.symlink_to(folder)  # a loop: the file system refuses to look

    with pytest.raises(StoreUnavailable):
        worker.send("complete", body)
    folder.unlink()
    folder.with_name("away").rename(folder)

    assert worker.send("complete", body).disposition == "applied"
    assert balance(user) == (50, 0)


class TestRepetition:
    """G7, G9: whatever comes twice, late or out of order moves nothing and gets its answer."""

    @pytest.fixture
    def completed(self, worker: Worker) -> Worker:
        running(worker)
        worker.upload(picture())
        worker.tell("complete", announced(picture()), callback_id="done")
        return worker

    def test_the_same_callback_again_is_a_duplicate(self, worker: Worker) -> None:
        for callback_id in ("given", None):
            body = worker.body()
            first = worker.send("started", body, callback_id=callback_id)
            before = read.heads()
            again = worker.send("started", body, callback_id=callback_id)

            assert first.disposition in {"applied", "duplicate"}
            assert again == Answer("duplicate")
            assert read.heads() == before

    def test_the_same_id_with_another_body_is_refused(self, worker: Worker) -> None:
        worker.tell("started", callback_id="one")

        assert refusal(worker, "started", callback_id="one")[:2] == (409, "callback_id_reused")

    def test_another_worker_may_use_the_same_id(self, worker: Worker) -> None:
        worker.tell("started", callback_id="one")
        other = Worker("generation", worker.task, uuid4())

        assert other.tell("started", callback_id="one").disposition == "stale"

    def test_the_same_completion_again_is_a_duplicate(self, completed: Worker, user: UUID) -> None:
        again = completed.tell("complete", announced(picture()))

        assert again == Answer("duplicate")
        assert balance(user) == (50, 0)

    def test_another_completion_of_a_closed_job_is_late(
        self, completed: Worker, user: UUID
    ) -> None:
        completed.upload(picture(shade=7))

        answer = completed.tell("complete", announced(picture(shade=7)))

        assert answer.disposition == "late_ignored"
        assert len(job_of(completed).late) == 1
        assert balance(user) == (50, 0)

    @pytest.mark.parametrize(
        ("action", "data"),
        [("started", {}), ("progress", {"percent": 99}), ("failed", {"code": "late"})],
    )
    def test_anything_else_for_a_closed_job_is_told_so(
        self, completed: Worker, user: UUID, action: str, data: dict[str, Any]
    ) -> None:
        assert completed.tell(action, data) == Answer("job_closed")
        assert balance(user) == (50, 0)

    def test_an_older_report_of_progress_is_stale(self, worker: Worker) -> None:
        running(worker)
        older = worker.body({"percent": 20})
        worker.tell("progress", {"percent": 50})

        assert worker.send("progress", older) == Answer("stale")
        assert job_of(worker).percent == 50

    def test_a_second_claim_is_stale_and_must_not_run(self, worker: Worker) -> None:
        running(worker)
        second = Worker("generation", worker.task, worker.sender.worker_id)
        second.upload(picture())

        assert second.tell("started") == Answer("stale")
        assert second.tell("progress", {"percent": 50}) == Answer("stale")
        assert second.tell("complete", announced(picture())) == Answer("stale")
        assert second.tell("failed", {"code": "x"}) == Answer("stale")
        assert job_of(worker).status == JobStatus.PROCESSING

    def test_a_task_that_nobody_started_cannot_complete(self, worker: Worker) -> None:
        worker.upload(picture())

        assert worker.tell("complete", announced(picture())) == Answer("stale")

    def test_of_late_completions_only_the_first_is_read(
        self, completed: Worker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        completed.tell("complete", announced(picture()))
        completed.upload(picture(shade=7))
        completed.tell("complete", announced(picture(shade=7)))
        monkeypatch.delattr(results, "store")

        assert completed.tell("complete", announced(picture(shade=7))).disposition == "late_ignored"


class TestOthersTasks:
    @pytest.mark.parametrize("kind", ["generation", "training"])
    def test_a_job_that_does_not_exist_is_unknown(self, kind: str) -> None:
        stranger = Worker(kind, uuid4(), uuid4())

        assert refusal(stranger, "started")[:2] == (404, UnknownTask.code)

    def test_an_attempt_that_was_never_queued_is_unknown_every_time(self, worker: Worker) -> None:
        """G7: the refusal is remembered, and repeated as a refusal."""
        bytes_ = worker.task.bytes
        second = UUID(bytes=bytes_[:14] + b"\x02" + bytes_[15:])
        stranger = Worker("generation", second)
        body = stranger.body()

        for _ in range(2):
            with pytest.raises(UnknownTask):
                stranger.send("started", body, callback_id="again")

    def test_a_task_is_of_one_kind(self, worker: Worker) -> None:
        stranger = Worker("training", worker.task, worker.sender.worker_id)

        assert refusal(stranger, "started")[:2] == (404, UnknownTask.code)

    @pytest.mark.parametrize(
        ("action", "data"),
        [
            ("progress", {"percent": 50}),
            ("failed", {"code": "theft"}),
            ("complete", announced(picture())),
        ],
    )
    def test_another_workers_task_is_not_theirs(
        self, worker: Worker, action: str, data: dict[str, Any]
    ) -> None:
        running(worker)
        thief = Worker("generation", worker.task, uuid4())
        thief.claim = worker.claim
        thief.sequence = 9
        thief.upload(picture())

        assert refusal(thief, action, data)[:2] == (403, ForeignTask.code)

    def test_under_the_shared_token_workers_are_told_apart_by_their_claims(
        self, worker: Worker
    ) -> None:
        first = Worker("generation", worker.task)
        second = Worker("generation", worker.task)

        assert first.tell("started").disposition == "applied"
        assert second.tell("progress", {"percent": 50}).disposition == "stale"
        assert first.tell("progress", {"percent": 50}).disposition == "applied"


class TestRaces:
    """A twin that comes between the look and the append."""

    @pytest.fixture
    def meanwhile(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
        real = callbacks.handle
        acts: list[Callable[[], Any]] = []

        def handle(orders: list[Order]) -> list[Result]:
            while acts:
                acts.pop()()
            return real(orders)

        monkeypatch.setattr(callbacks, "handle", handle)
        return acts.append

    def test_a_twin_gets_the_first_answer(
        self, worker: Worker, user: UUID, meanwhile: Callable[[Callable[[], Any]], None]
    ) -> None:
        running(worker)
        worker.upload(picture())
        body = worker.body(announced(picture()))
        meanwhile(lambda: worker.send("complete", body, callback_id="done"))

        answer = worker.send("complete", body, callback_id="done")

        assert answer == Answer("duplicate")
        assert balance(user) == (50, 0)

    def test_a_twin_with_another_body_is_refused(
        self, worker: Worker, meanwhile: Callable[[Callable[[], Any]], None]
    ) -> None:
        meanwhile(lambda: worker.tell("started", callback_id="one"))

        with pytest.raises(CallbackReused):
            worker.tell("started", callback_id="one")

    def test_a_missing_result_of_a_job_that_ended_meanwhile_is_told_so(
        self, worker: Worker, meanwhile: Callable[[Callable[[], Any]], None]
    ) -> None:
        running(worker)
        meanwhile(lambda: worker.tell("failed", {"code": "moderation"}))

        assert worker.tell("complete", announced(picture())) == Answer("job_closed")
        assert job_of(worker).failure_code == "moderation"

    def test_what_the_door_refuses_is_raised(
        self, worker: Worker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(callbacks, "handle", lambda orders: [Refused(error=Busy())])

        with pytest.raises(Busy):
            worker.tell("started")


def test_a_callback_of_another_form_is_refused_and_changes_nothing(worker: Worker) -> None:
    running(worker)

    assert refusal(worker, "progress", {"percent": "50"})[:2] == (422, "malformed_callback")
