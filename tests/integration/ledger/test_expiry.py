"""Tokens that expire twice about one job: some at its order, some once they come back."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from core.ids import new_id
from ledger import handlers
from ledger.book.load import load
from ledger.domain.attempt import EndLease, ExpireJob
from ledger.domain.cancel import CancelGeneration
from ledger.domain.generation import (
    CompleteGeneration,
    FailGeneration,
    RequestGeneration,
    StartGeneration,
)
from ledger.domain.refund import RefundGeneration
from tests.jobs import balance, give, granted, order_picture, state_of, trained_style

pytestmark = pytest.mark.usefixtures("database")

GiveIn = Callable[..., None]


@pytest.fixture
def give_in(monkeypatch: pytest.MonkeyPatch) -> GiveIn:
    """Give commands so many days from now, by the clock that the door reads."""

    def give_later(days: int, *commands: Any) -> None:
        now = datetime.now(UTC) + timedelta(days=days)
        with monkeypatch.context() as later:
            later.setattr(handlers, "load", lambda **asked: replace(load(**asked), now=now))
            give(*commands)

    return give_later


@pytest.fixture
def order(give_in: GiveIn) -> RequestGeneration:
    """Return an order that met expired tokens, paid in tokens that expire the day after."""
    user = new_id()
    ordered = order_picture(user, trained_style(new_id(), price=100))
    today, tomorrow = (datetime.now(UTC).date() + timedelta(days=days) for days in (0, 1))
    give(granted(user, 5, f"promo@{today}"), granted(user, 100, f"promo@{tomorrow}"))
    give_in(1, ordered)
    return ordered


def report(order: RequestGeneration) -> dict[str, Any]:
    return {
        "generation_id": order.generation_id, "task_id": order.task_id,
        "claim": uuid4(), "worker_id": None, "sequence": 1,
    }  # fmt: skip


@pytest.mark.parametrize("end", ["cancel", "expire", "fail", "lease"])
def test_the_hold_of_an_ended_job_goes_back_and_expires(
    order: RequestGeneration, give_in: GiveIn, end: str
) -> None:
    """G5."""
    reported = report(order)
    timer: Any = {"stream": order.stream, "style_id": order.style_id}
    ends: dict[str, Any] = {
        "cancel": CancelGeneration(generation_id=order.generation_id, user_id=order.user_id),
        "expire": ExpireJob(**timer),
        "fail": FailGeneration(**reported, code="moderation", message=None, is_retryable=False),
        "lease": EndLease(**timer, task_id=order.task_id),
    }
    if end in {"fail", "lease"}:
        give_in(1, StartGeneration(**reported))
    give_in(3, ends[end])

    assert state_of(order.stream).job.is_terminal
    assert balance(order.user_id) == (0, 0)


def test_a_refunded_price_goes_back_and_expires(order: RequestGeneration, give_in: GiveIn) -> None:
    """I8."""
    reported = report(order)
    result: Any = {
        "key": "results/1", "sha256": "ab" * 32, "bytes": 9, "content_type": "image/png",
        "width": 512, "height": 512,
    }  # fmt: skip
    give_in(1, StartGeneration(**reported), CompleteGeneration(**reported, **result))
    give_in(3, RefundGeneration(generation_id=order.generation_id, reason="broken_image"))

    assert state_of(order.stream).refund is not None
    assert balance(order.user_id) == (0, 0)
