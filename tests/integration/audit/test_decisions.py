"""What the domain decides is what the audit expects: both were written apart (G2-G5, I1-I13)."""

import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import connection

from core.ids import new_id, new_job_id, task_id
from ledger.book.read import shard_of
from ledger.domain.events import Sealed, StyleDrafted, StyleTrained
from ledger.domain.generation import (
    CompleteGeneration,
    FailGeneration,
    RequestGeneration,
    StartGeneration,
)
from ledger.domain.money import PAID, PROMO, expiring
from ledger.domain.purchase import ConfirmPayment, StartPurchase
from ledger.domain.wallet import GrantTokens, TransferTokens
from ledger.handlers import handle
from ledger.orders import Accepted, Command, Context, Order
from projections.follow import catch_up
from tests import books
from tests.books import ARTIST, SHA256, person, values_of
from tests.integration.audit.commands import ledger

PAYERS = [person(number, shard=number) for number in range(1, 6)]
STYLE = UUID("018f0000-0000-7000-8000-00000001aaa5")
TEXT = Sealed("c2VhbGVk", ARTIST)
ROUNDS = 60


def send(*commands: Command) -> int:
    """Send commands of one shard through the door; return how many were accepted."""
    results = handle([Order(command, Context(actor="test")) for command in commands])
    return sum(isinstance(result, Accepted) for result in results)


def draft_style() -> None:
    drafted = StyleDrafted(**values_of(StyleDrafted, artist_id=ARTIST, name=TEXT, price=101))
    trained = StyleTrained(**values_of(StyleTrained, artist_id=ARTIST, model_sha256=SHA256))
    stream = f"style-{STYLE}"
    books.write([books.event(stream, 1, drafted), books.event(stream, 2, trained)])


def generate(rng: random.Random, user: UUID) -> int:
    """Order pictures in one batch, and end some of them: completed, failed, or not at all."""
    jobs = [new_job_id(user) for _ in range(rng.randint(1, 4))]
    requested = send(
        *(
            RequestGeneration(
                generation_id=job,
                user_id=user,
                style_id=STYLE,
                task_id=task_id(job, 1),
                prompt=TEXT,
                seed=7,
            )
            for job in jobs
        )
    )
    for job in jobs:
        known = {
            "generation_id": job,
            "task_id": task_id(job, 1),
            "claim": job,
            "worker_id": None,
            "sequence": 1,
        }
        send(StartGeneration(**known))
        end = rng.choice(("completed", "failed", "both", "open"))
        complete = CompleteGeneration(
            **known, key=f"results/{job}/{SHA256}", sha256=SHA256, bytes=9,
            content_type="image/png", width=512, height=512,
        )  # fmt: skip
        fail = FailGeneration(**known, code="bad_input", message=None, is_retryable=False)
        for command in {"completed": [complete], "failed": [fail], "both": [fail, complete]}.get(
            end, []
        ):
            send(command)
    return requested


def buy(user: UUID) -> None:
    purchase = new_id(user)
    send(StartPurchase(purchase_id=purchase, user_id=user, package="starter"))
    payment = {"payment_key": f"pay-{purchase}", "currency": "USD"}
    send(ConfirmPayment(purchase_id=purchase, amount_cents=500, **payment))
    send(ConfirmPayment(purchase_id=purchase, amount_cents=500, **payment))


def types_written() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("select distinct type from event")
        return {name for (name,) in cursor.fetchall()}


@pytest.mark.usefixtures("database")
def test_whatever_the_door_lets_in_is_sound_and_replays() -> None:
    draft_style()
    rng = random.Random(7)
    soon = expiring((datetime.now(UTC) + timedelta(days=3)).date())
    for user in PAYERS:
        for colour in (PAID, PROMO, soon, "promo@2020-01-31"):
            grant = GrantTokens(
                grant_id=new_id(user), user_id=user, amount=70, colour=colour, reason="test"
            )
            send(grant)
    requested = 0
    for _ in range(ROUNDS):
        user, other = rng.sample(PAYERS, 2)
        requested += generate(rng, user)
        if rng.random() < 0.2:
            buy(user)
        send(
            TransferTokens(
                transfer_id=new_id(user),
                user_id=user,
                recipient_id=other,
                amount=rng.randint(1, 90),
            )
        )
    catch_up()

    assert requested > ROUNDS / 2
    assert shard_of(STYLE) == shard_of(ARTIST)
    assert ledger("verify")[1].startswith("Sound")
    assert ledger("replay")[0] == 0
