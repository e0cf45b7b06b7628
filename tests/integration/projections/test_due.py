"""What a monitor asks of due things: how many jobs are open, how old, how late the timers are."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection

from core.ids import new_id
from projections import due
from projections.follow import catch_up
from tests.jobs import Worker, give, granted, order_picture, trained_style

pytestmark = pytest.mark.usefixtures("database")


def ordered(style: UUID) -> UUID:
    """Order a picture and return its task."""
    user = new_id()
    give(granted(user, 100), order := order_picture(user, style))
    return order.task_id


def change(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def aged(column: str, **ago: float) -> None:
    seconds = timedelta(**ago).total_seconds()
    change(f"update generation set {column} = now() - make_interval(secs => {seconds})")


def test_open_jobs_are_counted_by_status_and_ended_ones_are_not() -> None:
    style = trained_style(new_id())
    assert due.open_jobs_by_status("generation") == {"queued": 0, "processing": 0, "retrying": 0}
    tasks = [ordered(style) for _ in range(4)]
    Worker("generation", tasks[0]).tell("started")
    failing = Worker("generation", tasks[1])
    failing.tell("started")
    failing.tell("failed", {"code": "moderation", "message": "no", "retryable": False})
    catch_up()
    assert due.open_jobs_by_status("generation") == {"queued": 2, "processing": 1, "retrying": 0}
    assert sum(due.open_jobs_by_status("generation").values()) == due.open_jobs("generation")
    assert due.open_jobs_by_status("training") == {"queued": 0, "processing": 0, "retrying": 0}


def test_a_count_of_jobs_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    style = trained_style(new_id())
    for _ in range(3):
        ordered(style)
    catch_up()
    monkeypatch.setattr(due, "MOST_COUNTED", 2)
    assert due.open_jobs_by_status("generation")["queued"] == 2


@pytest.mark.parametrize("status", ["queued", "processing"])
def test_the_oldest_hold_is_that_of_the_oldest_open_job(status: str) -> None:
    assert due.oldest_hold_seconds("generation") == 0
    style = trained_style(new_id())
    tasks = [ordered(style) for _ in range(2)]
    if status == "processing":
        for task in tasks:
            Worker("generation", task).tell("started")
    catch_up()
    assert 0 < due.oldest_hold_seconds("generation") < 600
    aged("created_at", hours=2)
    change(f"update generation set created_at = now() where task_id = '{tasks[0]}'")
    assert 7_200 <= due.oldest_hold_seconds("generation") < 7_800
    change("update generation set status = 'completed'")
    assert due.oldest_hold_seconds("generation") == 0


def test_timers_that_keep_up_are_not_late() -> None:
    ordered(trained_style(new_id()))
    catch_up()
    assert due.overdue_seconds() == dict.fromkeys(
        ["retries", "leases", "starts", "deadlines", "clearing", "purchases"], 0.0
    )


@pytest.mark.parametrize(
    ("timer", "status", "column"),
    [
        ("retries", "retrying", "retry_at"),
        ("leases", "processing", "leased_until_at"),
        ("starts", "queued", "start_by_at"),
        ("deadlines", "processing", "deadline_at"),
        ("clearing", "completed", "clears_at"),
    ],
)
def test_a_timer_is_as_late_as_the_first_thing_it_should_have_done(
    timer: str, status: str, column: str
) -> None:
    for _ in range(2):
        ordered(trained_style(new_id()))
    catch_up()
    aged(column, seconds=90)
    change(f"update generation set status = '{status}'")
    late = due.overdue_seconds()
    assert 90 <= late.pop(timer) < 690
    assert set(late.values()) == {0.0}
