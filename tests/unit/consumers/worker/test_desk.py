"""The desk: claims and the final callback survive, and a damaged file does no harm."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from uuid import UUID

import pytest

from consumers.worker.desk import RUN_STRIDE, Desk, DeskTaken
from consumers.worker.outbox import FinalCallback

Take = Callable[[Path], Desk]
FINAL = FinalCallback(task_id="t", action="complete", url="http://a/", callback_id="c", body="{}")


@pytest.fixture
def take() -> Iterator[Take]:
    """Yield what takes a desk, and close all that were taken."""
    with ExitStack() as stack:
        yield lambda folder: stack.enter_context(closing(Desk(folder)))


def test_an_open_claim_stays_until_it_is_finished(tmp_path: Path, take: Take) -> None:
    desk = take(tmp_path)
    claim = desk.open_claim()
    assert desk.open_claim() == claim
    desk.finish()
    assert desk.open_claim() != claim


def test_a_claim_survives_a_crash(tmp_path: Path, take: Take) -> None:
    desk = take(tmp_path)
    bound = desk.bind("task", keeps_claim=True)
    desk.close()
    assert take(tmp_path).open_claim() == UUID(bound.claim)


def test_the_same_task_again_keeps_its_claim_and_numbers_on(tmp_path: Path, take: Take) -> None:
    desk = take(tmp_path)
    first, second = (desk.bind("task", keeps_claim=False) for _ in range(2))
    assert first.claim == second.claim
    assert second.first_sequence - first.first_sequence == RUN_STRIDE


def test_another_task_of_a_queue_gets_another_claim(tmp_path: Path, take: Take) -> None:
    desk = take(tmp_path)
    one, other = desk.bind("one", keeps_claim=False), desk.bind("other", keeps_claim=False)
    assert one.claim != other.claim
    assert other.run == 1


def test_a_polled_task_gets_the_claim_of_its_poll(tmp_path: Path, take: Take) -> None:
    desk = take(tmp_path)
    desk.bind("one", keeps_claim=True)
    polled = desk.open_claim()
    assert UUID(desk.bind("other", keeps_claim=True).claim) == polled


def test_the_final_callback_is_kept_until_cleared(tmp_path: Path, take: Take) -> None:
    desk = take(tmp_path)
    assert desk.outbox.waiting() is None
    desk.outbox.put(FINAL)
    desk.close()
    again = take(tmp_path)
    assert again.outbox.waiting() == FINAL
    again.outbox.clear()
    assert again.outbox.waiting() is None


def test_files_are_for_the_owner_alone(tmp_path: Path, take: Take) -> None:
    desk = take(tmp_path / "desk")
    desk.open_claim()
    desk.outbox.put(FINAL)
    for path in (tmp_path / "desk", *(tmp_path / "desk").glob("*.json")):
        assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"claim": "x", "task_id": "", "run": 1}', '{"claim": 7}']
)
def test_a_damaged_claim_is_replaced(tmp_path: Path, take: Take, content: str) -> None:
    (tmp_path / "claim.json").write_text(content)
    claim = take(tmp_path).open_claim()
    assert json.loads((tmp_path / "claim.json").read_text())["claim"] == str(claim)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"task_id": "t"}'])
def test_a_damaged_final_callback_is_ignored(tmp_path: Path, take: Take, content: str) -> None:
    (tmp_path / "final.json").write_text(content)
    assert take(tmp_path).outbox.waiting() is None


def test_one_folder_has_one_owner(tmp_path: Path, take: Take) -> None:
    desk = take(tmp_path)
    with pytest.raises(DeskTaken):
        take(tmp_path)
    desk.close()
    take(tmp_path)
