"""What the real door writes, projected: the main job, and transfers that race."""

import random
import threading
from uuid import UUID

import pytest
from django.db import connection

from core.ids import new_id
from ledger.domain.dataset import AddImage
from ledger.domain.events import Sealed
from ledger.domain.generation import (
    CompleteGeneration,
    FailGeneration,
    ProgressGeneration,
    RequestGeneration,
    StartGeneration,
)
from ledger.domain.money import PAID, PROMO, REVENUE, available, pending
from ledger.domain.purchase import ConfirmPayment, StartPurchase
from ledger.domain.style import DraftStyle
from ledger.domain.training import CompleteTraining, RequestTraining, StartTraining
from ledger.domain.wallet import GrantTokens, TransferTokens
from ledger.handlers import handle
from ledger.orders import Accepted, Context, Order
from projections.catalogue import PROJECTORS
from projections.follow import catch_up
from projections.generations import generation
from projections.open_accounts import open_balance
from projections.purchases import purchase
from projections.rebuild import differences
from projections.statement import transactions
from projections.styles import images_of, public_styles
from projections.trainings import training
from tests.integration.projections.pen import person

ANNE, ARTIST = person(1), person(3)
SHA = "cd" * 32

pytestmark = pytest.mark.usefixtures("database")


def tell(*commands: object) -> None:
    """Hand commands to the door; all must be accepted."""
    orders = [Order(command, Context(actor="test")) for command in commands]  # type: ignore[arg-type]  # each has a stream
    for result in handle(orders):
        assert isinstance(result, Accepted), result


def grant(user: UUID, amount: int, colour: str = PROMO) -> GrantTokens:
    return GrantTokens(
        grant_id=new_id(user), user_id=user, amount=amount, colour=colour, reason="test"
    )


def trained_style() -> tuple[UUID, UUID]:
    """Draft and train a style; return its id and the training's."""
    style_id, training_id, task_id, claim = new_id(ARTIST), new_id(ARTIST), new_id(), new_id()
    own = {"style_id": style_id, "artist_id": ARTIST}
    report = {
        "training_id": training_id,
        "style_id": style_id,
        "task_id": task_id,
        "claim": claim,
        "worker_id": None,
    }
    tell(DraftStyle(**own, name=Sealed("bmFtZQ==", UUID(int=1)), price=100))
    for number in range(10):
        image = {"key": f"images/{number}", "sha256": f"{number:064}", "bytes": 9}
        size = {"content_type": "image/png", "width": 512, "height": 512}
        tell(AddImage(**own, image_id=new_id(ARTIST), **image, **size))
    tell(RequestTraining(**own, training_id=training_id, task_id=task_id, seed=1))
    tell(StartTraining(**report, sequence=1))
    result = {"key": "models/1", "sha256": SHA, "bytes": 5}
    kind = {"content_type": "application/octet-stream", "metrics": ()}
    tell(CompleteTraining(**report, sequence=2, **result, **kind))
    return style_id, training_id


def test_the_main_job_is_shown_as_it_happened() -> None:
    """G4, G5, G6, I7."""
    tell(grant(ARTIST, 100), grant(ANNE, 100))
    purchase_id = new_id(ANNE)
    tell(StartPurchase(purchase_id=purchase_id, user_id=ANNE, package="starter"))
    tell(
        ConfirmPayment(
            purchase_id=purchase_id, payment_key="pay-1", amount_cents=500, currency="USD"
        )
    )
    style_id, training_id = trained_style()
    done, failed = new_id(ANNE), new_id(ANNE)
    for generation_id in (done, failed):
        task_id, claim = new_id(), new_id()
        report = {
            "generation_id": generation_id,
            "task_id": task_id,
            "claim": claim,
            "worker_id": None,
        }
        tell(
            RequestGeneration(
                generation_id=generation_id,
                user_id=ANNE,
                style_id=style_id,
                task_id=task_id,
                prompt=Sealed("cHJvbXB0", UUID(int=1)),
                seed=42,
            )
        )
        tell(StartGeneration(**report, sequence=1))
        tell(ProgressGeneration(**report, sequence=2, percent=50))
        if generation_id == failed:
            refused = {"code": "moderation", "message": None, "is_retryable": False}
            tell(FailGeneration(**report, sequence=3, **refused))
            continue
        picture = {"key": "results/1", "sha256": SHA, "bytes": 7, "content_type": "image/png"}
        tell(CompleteGeneration(**report, sequence=3, **picture, width=512, height=512))
    catch_up()

    (style,) = public_styles()
    assert (style.id, style.training_status, style.image_count) == (style_id, "completed", 10)
    assert len(images_of(style_id)) == 10
    trained = training(training_id)
    assert trained is not None
    assert (trained.status, trained.captured, trained.model_key) == ("completed", 100, "models/1")
    bought = purchase(purchase_id)
    assert bought is not None
    assert (bought.status, bought.issued) == ("paid", 500)
    shown = [generation(done), generation(failed)]
    assert [(one.status, one.billing_state) for one in shown if one] == [
        ("completed", "captured"),
        ("failed", "released"),
    ]
    assert [
        (one.row.type, one.row.amount, one.balance_after) for one in transactions(available(ANNE))
    ] == [
        ("release", 100, 500),
        ("hold", -100, 400),
        ("hold", -100, 500),
        ("issue", 500, 600),
        ("grant", 100, 100),
    ]
    assert open_balance(pending(ARTIST)) == {PROMO: 90}
    assert open_balance(REVENUE) == {PROMO: 110}
    for projector in PROJECTORS:
        assert differences(projector) == []


def test_balances_after_racing_transfers_are_those_that_were() -> None:
    """The order of a statement is the one in which its account was locked, across shards (G3)."""
    people = [person(byte) for byte in range(4)]
    tell(*[grant(one, 30, PAID) for one in people])
    threads = [threading.Thread(target=send_some, args=[people, seed]) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    catch_up()

    with connection.cursor() as cursor:
        cursor.execute("select account, amount from balance where colour = 'paid'")
        balances = dict(cursor.fetchall())
    for one in people:
        shown = transactions(available(one))
        assert shown[0].balance_after == balances[available(one)]
        assert min(line.balance_after for line in shown) >= 0


def send_some(people: list[UUID], seed: int) -> None:
    """Send tokens at random; refusals for too small a balance are part of the race."""
    chance = random.Random(seed)
    try:
        for _ in range(20):
            sender, recipient = chance.sample(people, 2)
            order = TransferTokens(
                transfer_id=new_id(sender),
                user_id=sender,
                recipient_id=recipient,
                amount=chance.randint(5, 30),
            )
            handle([Order(order, Context(actor="test"))])
    finally:
        connection.close()
