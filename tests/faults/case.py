"""One pass through a flow: who takes part, and the acts by which the parts of the system move it.

An act knows only what is lasting: the book, the queue, the store, the worker's folder. So it can be
done again by another process when the first one was killed, as each part does by itself.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.utils import timezone

from consumers import checkpoints, timers
from consumers.embedded import EmbeddedBroker, EmbeddedSource
from consumers.relay import Relay
from consumers.results import take_results
from consumers.topology import IMAGE_GENERATION, MODEL_TRAINING, RESULTS
from consumers.worker.desk import Claim, Desk
from consumers.worker.outbox import FinalCallback
from core import queue
from core.ids import new_id, successor_job_id, task_id
from core.storage import store
from ledger import callbacks
from ledger.book import read
from ledger.callbacks import Sender
from ledger.domain.attempt import EndLease
from ledger.domain.cancel import CancelGeneration, CancelTraining
from ledger.domain.earnings import ClaimEarnings, PayPayout, RequestPayout, ReturnPayout
from ledger.domain.late import AcceptLateResult, acceptable
from ledger.domain.purchase import ConfirmPayment, RefundPayment, StartPurchase
from ledger.domain.refund import RefundGeneration
from ledger.domain.training import Checkpoint, ProgressTraining
from ledger.domain.wallet import TransferTokens
from ledger.handlers import handle
from ledger.objects import picture_key, task_upload_key
from ledger.orders import Accepted, Context, Key, Order
from ledger.reports import MODEL_TYPE
from ledger.results import uploaded
from projections import follow
from tests.faults.signing import Signer
from tests.jobs import (
    announced,
    drafted,
    give,
    granted,
    model,
    order_picture,
    picture,
    state_of,
    training_of,
)

PRICE = 100
WAIT_SECONDS = 0.5
LEASE_SECONDS = 0.05  # of a task in the queue, of a worker, and of the relay


class Case:
    """One payer, one job and what belongs to them; every method is an act."""

    def __init__(self, artist: UUID, style: UUID, signer: Signer) -> None:
        self.artist, self.style, self.signer = artist, style, signer
        self.user = new_id()
        self.kind = "generation"
        self.streams: list[str] = []
        self.run = str(new_id())
        self.folder = Path(settings.STATE_DIR) / "workers" / self.run
        give(granted(self.user, 3 * PRICE))

    # The payer, the provider, the operator: each sends again under the same key.

    def buy(self) -> None:
        """Start a purchase."""
        purchase_id = new_id(self.user)
        self._send(
            StartPurchase(purchase_id=purchase_id, user_id=self.user, package="starter"), "buy"
        )

    def pay(self) -> None:
        """The provider reports the payment."""
        self._send(ConfirmPayment(**self._payment()), "pay")

    def money_back(self) -> None:
        """The provider reports that the money went back."""
        payment = self._payment()
        self._send(RefundPayment(**payment, user_id=self.user, reason="refund"), "money_back")

    def transfer(self) -> None:
        """Send tokens to the artist."""
        self._send(
            TransferTokens(
                transfer_id=new_id(self.user), user_id=self.user, recipient_id=self.artist, amount=7
            ),
            "transfer",
        )

    def order(self) -> None:
        """Order a picture."""
        self._send(order_picture(self.user, self.style), "order")

    def order_again(self) -> None:
        """Order the failed one again."""
        command = order_picture(self.user, self.style, retry_of=UUID(self.job[-36:]))
        self._send(command, "order_again")

    def draft(self) -> None:
        """Draft a style with its images."""
        self.kind, self.user = "training", self.artist
        give(granted(self.artist, PRICE))
        self.style, commands = drafted(self.artist)
        give(*commands)

    def train(self) -> None:
        """Order a training."""
        self._send(training_of(self.style, self.artist), "train")

    def cancel(self) -> None:
        """Cancel the picture."""
        job_id = UUID(self.job[-36:])
        self._send(CancelGeneration(generation_id=job_id, user_id=self.user), "cancel")

    def accept_late(self) -> None:
        """Take the late picture after all, as the view does it."""
        old_id = UUID(self.job[-36:])
        late = acceptable(state_of(self.job), user_id=self.user, now=timezone.now())
        new = successor_job_id(old_id)
        key = picture_key(new, late.sha256)
        store().keep(key, store().read(late.key, 1_000_000), late.content_type)
        command = AcceptLateResult(
            generation_id=new, late_of=old_id, user_id=self.user, task_id=task_id(new, 1),
            key=key, sha256=late.sha256,
        )  # fmt: skip
        self._send(command, "accept_late")

    def refund(self) -> None:
        """Give the price back."""
        job_id = UUID(self.job[-36:])
        self._send(RefundGeneration(generation_id=job_id, reason="broken_image"), "refund")

    def claim(self) -> None:
        """The artist claims."""
        claim_id = new_id(self.artist)
        command = ClaimEarnings(claim_id=claim_id, artist_id=self.artist, amount=10)
        self._send(command, "claim")

    def payout(self) -> None:
        """The artist wants money."""
        payout_id = new_id(self.artist)
        command = RequestPayout(payout_id=payout_id, artist_id=self.artist, amount=10)
        self._send(command, "payout")

    def pay_out(self) -> None:
        """The operator has sent it."""
        payout_id = UUID(self.streams[-1][-36:])
        command = PayPayout(payout_id=payout_id, reference="1", amount_cents=10, currency="USD")
        self._send(command, "pay_out")

    def pay_back(self) -> None:
        """The operator could not send it."""
        payout_id = UUID(self.streams[-1][-36:])
        self._send(ReturnPayout(payout_id=payout_id, reason="bank_refused"), "pay_back")

    # Relay and timers: they look at what is there.

    def publish(self) -> None:
        """The relay publishes what is in the book, once a killed one's lease is over."""
        until = time.monotonic() + 10
        while _is_unpublished():
            assert time.monotonic() < until, "the relay does not get on"
            relay = Relay(EmbeddedBroker())
            if not relay.round():
                time.sleep(LEASE_SECONDS / 2)
            relay._let_go()

    def timers(self) -> None:
        """Let leases and pauses end, let the projections follow, and run every timer once."""
        time.sleep(1.5 * LEASE_SECONDS)
        follow.catch_up()
        timers.run_once()

    # The worker: its folder says what it has begun and what was not answered yet.

    def begin(self) -> None:
        """Take the task, claim it, report the start, and only then acknowledge the delivery."""
        with self._desk() as desk:
            names = [IMAGE_GENERATION, MODEL_TRAINING]
            for taken in queue.take(names, wait_seconds=WAIT_SECONDS):
                bound = desk.bind(taken.id, keeps_claim=False)
                self._tell("started", self._body(bound, 1), f"{taken.id}:started")
                queue.ack(taken.queue, message_id=taken.id, receipt=taken.receipt)

    def progress(self) -> None:
        """Report how far it is."""
        with self._desk() as desk:
            bound = desk._claim()
            assert bound is not None
            body = self._body(bound, 2, percent=50)
            self._tell("progress", body, f"{bound.task_id}:progress")

    def upload(self) -> None:
        """Store the result, and say nothing."""
        with self._desk() as desk:
            self._store_result(desk)

    def finish(self) -> None:
        """Store the result and report it, from the outbox where it is there already."""
        self._end("complete")

    def fail(self) -> None:
        """Report a failure that may be tried again."""
        self._end("failed", code="worker_error", retryable=True)

    def fail_for_good(self) -> None:
        """Report a failure that may not, but keep the claim: a result comes all the same."""
        with self._desk() as desk:
            bound = desk._claim()
            assert bound is not None
            body = self._body(bound, 3, code="moderation", retryable=False)
            self._tell("failed", body, f"{bound.task_id}:failed")

    def report_by_queue(self) -> None:
        """Store the result and put the report on the queue of results."""
        with self._desk() as desk:
            bound = desk._claim()
            if bound is None:
                return
            body = self._body(bound, 4, **self._store_result(desk))
            signed = self.signer.message("generation.complete", f"{bound.task_id}:complete", body)
            EmbeddedBroker().publish(RESULTS, signed)
            desk.finish()

    def take_report(self) -> None:
        """The consumer of results takes what is there and acknowledges it."""
        deliveries = EmbeddedSource([RESULTS], 1).fetch(WAIT_SECONDS)
        take_results(deliveries)

    def checkpoint(self) -> None:
        """A training's worker has a state that a next attempt can go on from."""
        with self._desk() as desk:
            bound = desk._claim()
        assert bound is not None
        state = Checkpoint(epoch=5, key="checkpoints/1", sha256="ab" * 32, bytes=9)
        command = ProgressTraining(
            training_id=UUID(self.job[-36:]), style_id=self.style, task_id=UUID(bound.task_id),
            claim=UUID(bound.claim), worker_id=None, sequence=9, percent=0, checkpoint=state,
        )  # fmt: skip
        handle([Order(command, Context(actor="worker"))])

    # What came of it

    @property
    def job(self) -> str:
        """The stream of the job."""
        return next(one for one in self.streams if one.startswith(self.kind))

    def outcome(self) -> dict[str, Any]:
        """Return what came of it, without ids: events, tokens by account, what still waits."""
        events, tokens = {}, Counter[str]()
        accepted = [f"generation-{successor_job_id(UUID(self.job[-36:]))}"] if self._has_job else []
        for stream in dict.fromkeys([*self.streams, *accepted]):
            rows = read.stream(stream)
            events[f"{len(events)} {stream.partition('-')[0]}"] = [row.type for row in rows]
            for row in rows:
                for account, colour, amount in read.entries(row) if row.entries else ():
                    owner, _, rest = account.partition("/")
                    tokens[f"{owner}/{rest.partition('/')[2] or rest} {colour}"] += amount
        return {
            "events": events,
            "tokens": {name: amount for name, amount in tokens.items() if amount},
            "waiting": _drained(),
            "outbox": (self.folder / "final.json").exists(),
        }

    def put_away(self) -> None:
        """End what still goes on, do all that is due, empty the queues: no other case meets it."""
        for stream in (one for one in self.streams if one.startswith(("generation", "training"))):
            if state_of(stream).job.is_terminal:
                continue
            job_id, job = UUID(stream[-36:]), state_of(stream).job
            if self.kind == "training":
                give(CancelTraining(training_id=job_id, style_id=self.style, user_id=self.user))
            else:
                give(CancelGeneration(generation_id=job_id, user_id=self.user))
            time.sleep(1.5 * LEASE_SECONDS)
            give(EndLease(stream=stream, style_id=self.style, task_id=job.task_id))
        follow.catch_up()
        while timers.run_once():
            follow.catch_up()
        self.publish()
        _drained()

    @property
    def _has_job(self) -> bool:
        return any(one.startswith("generation") for one in self.streams)

    def _payment(self) -> dict[str, Any]:
        purchase_id = UUID(self.streams[0][-36:])
        return {
            "purchase_id": purchase_id, "payment_key": "pay-1", "amount_cents": 500,
            "currency": "USD",
        }  # fmt: skip

    def _send(self, command: Any, name: str) -> None:
        """Send a request; what was ordered is known by the answer, as to every client."""
        key = Key(scope=f"case/{self.run}", key=name, fingerprint=name)
        (result,) = handle([Order(command, Context(actor="test", key=key))])
        assert isinstance(result, Accepted), result
        if result.stream not in self.streams:
            self.streams.append(result.stream)

    @contextmanager
    def _desk(self) -> Iterator[Desk]:
        with closing(Desk(self.folder)) as desk:
            yield desk

    def _body(self, bound: Claim, number: int, **data: Any) -> dict[str, Any]:
        return {
            "task_id": bound.task_id, "claim": bound.claim, "sequence": number, "data": data,
            "occurred_at": "2026-11-27T12:00:00Z",
        }  # fmt: skip

    def _tell(self, action: str, body: Any, callback_id: str) -> None:
        callbacks.receive(
            kind=self.kind, action=action, body=body, sender=Sender(None), callback_id=callback_id
        )

    def _store_result(self, desk: Desk) -> dict[str, Any]:
        """Store the result where the task says; return what is said of it."""
        bound = desk._claim()
        assert bound is not None
        is_picture = self.kind == "generation"
        data = picture() if is_picture else model()
        key, type_ = task_upload_key(UUID(bound.task_id)), "image/png" if is_picture else MODEL_TYPE
        store().put(key, data, type_)
        assert uploaded(UUID(bound.task_id)) == data
        return announced(data, type_)

    def _end(self, action: str, **data: Any) -> None:
        """Write the last report into the outbox, send it, and forget it once it is answered."""
        with self._desk() as desk:
            final, bound = desk.outbox.waiting(), desk._claim()
            if final is None and bound is not None:
                said = data or self._store_result(desk)
                body = json.dumps(self._body(bound, 4, **said))
                final = FinalCallback(
                    task_id=bound.task_id, action=action, url="-",
                    callback_id=f"{bound.task_id}:{action}", body=body,
                )  # fmt: skip
                desk.outbox.put(final)
            if final is not None:
                self._tell(final.action, json.loads(final.body), final.callback_id)
                desk.finish()
                desk.outbox.clear()


ACTS: dict[str, Callable[[Case], None]] = {
    name: act
    for name, act in vars(Case).items()
    if callable(act) and not name.startswith("_") and name not in {"outcome", "put_away"}
}


def declare_queues() -> None:
    """Declare the queues; what a killed worker had taken is soon there again."""
    for name in (IMAGE_GENERATION, MODEL_TRAINING, RESULTS):
        queue.declare(name, delivery_limit=10, max_length=1_000, lease_seconds=LEASE_SECONDS)
    checkpoints.ensure()
    checkpoints.lease.__kwdefaults__["seconds"] = LEASE_SECONDS  # type: ignore[index]


def _is_unpublished() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "select count(*) from relay_shard join head using (shard)"
            " where relay_shard.position < head.position"
        )
        behind: int = cursor.fetchone()[0]
    return behind > 0


def _drained() -> int:
    """Empty the queues and return how much was in them."""
    count = 0
    while taken := queue.take([IMAGE_GENERATION, MODEL_TRAINING, RESULTS], limit=100):
        count += len(taken)
        for one in taken:
            queue.ack(one.queue, message_id=one.id)
    return count
