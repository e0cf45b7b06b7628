"""Which function decides a command, and what it is shown: all of it stands in the table below.

Used by the door (`ledger.handlers`).
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from ledger.domain import (
    attempt,
    cancel,
    dataset,
    dead_letter,
    earnings,
    generation,
    late,
    money,
    purchase,
    refund,
    style,
    training,
    wallet,
)
from ledger.domain.change import Change, Decision
from ledger.domain.events import Event


class Command(Protocol):
    """A request to do; `stream` is the one whose state answers it, and whose shard it writes."""

    @property
    def stream(self) -> str: ...


StreamOf = Callable[[Any], str | None]
AccountOf = Callable[[Any], str]


@dataclass(frozen=True, kw_only=True)
class Spec:
    """How a command is decided.

    `reads` names the stream behind each state that `decide` asks for; `writes` are further
    streams that it appends to; where one is None there is none to read or write. `balances`
    names the guarded account behind each balance by colour that `decide` asks for.
    """

    decide: Callable[..., Decision | list[Change]]
    reads: dict[str, StreamOf] = field(default_factory=dict)
    writes: tuple[StreamOf, ...] = ()
    balances: dict[str, AccountOf] = field(default_factory=dict)
    asks: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        parameters = inspect.signature(self.decide).parameters
        object.__setattr__(self, "asks", frozenset(parameters))

    def streams(self, command: Command) -> set[str]:
        """Return every stream that the decision reads or may append to."""
        named = (*self.reads.values(), *self.writes)
        others = {stream for stream_of in named if (stream := stream_of(command))}
        return {command.stream, *others}


def _own(command: Command) -> str:
    return command.stream


def _style(command: Any) -> str:
    return style.style_stream(command.style_id)


def _dataset(command: Any) -> str:
    return dataset.dataset_stream(command.style_id)


def _locked_images(command: attempt.JobTimer) -> str | None:
    is_training = command.stream.startswith("training-")
    return dataset.dataset_stream(command.style_id) if is_training else None


def _retried(command: generation.RequestGeneration) -> str | None:
    return generation.generation_stream(command.retry_of) if command.retry_of else None


def _old(command: late.AcceptLateResult) -> str:
    return generation.generation_stream(command.late_of)


def _expiry(command: Command) -> str:
    """Name where it is noted that tokens came back too late; the order may have met some before."""
    return wallet.expiry_stream(command.stream)


def _account(command: Any) -> str:
    return purchase.account_stream(command.user_id)


_OF_USER: dict[str, AccountOf] = {"available": lambda command: money.available(command.user_id)}
_OF_ARTIST: dict[str, AccountOf] = {"available": lambda command: money.available(command.artist_id)}
_EARNED: dict[str, AccountOf] = {"earned": lambda command: money.earned(command.artist_id)}


# How the state of each kind of stream moves on.
EVOLVE: dict[str, Callable[[Any, Event, datetime], Any]] = {
    "grant": wallet.evolve,
    "transfer": wallet.evolve,
    "expiry": wallet.evolve,
    "purchase": purchase.evolve,
    "style": style.evolve,
    "dataset": dataset.evolve,
    "training": training.evolve,
    "generation": generation.evolve,
    "claim": earnings.evolve_claim,
    "payout": earnings.evolve_payout,
    "deadletter": dead_letter.evolve,
    "account": lambda state, event, at: state,  # no rule asks for it yet
}

_TRAINING: dict[str, StreamOf] = {"training": _own}
_GENERATION: dict[str, StreamOf] = {"generation": _own}
_PURCHASE: dict[str, StreamOf] = {"purchase": _own}
_PAYOUT: dict[str, StreamOf] = {"payout": _own}
_JOB: dict[str, StreamOf] = {"state": _own}

SPECS: dict[type[Any], Spec] = {
    wallet.GrantTokens: Spec(decide=wallet.grant_tokens),
    wallet.ExpireTokens: Spec(decide=wallet.expire_wallet, balances=_OF_USER),
    wallet.TransferTokens: Spec(decide=wallet.transfer_tokens, balances=_OF_USER),
    purchase.StartPurchase: Spec(decide=purchase.start_purchase, reads=_PURCHASE),
    purchase.ConfirmPayment: Spec(decide=purchase.confirm_payment, reads=_PURCHASE),
    purchase.FailPayment: Spec(decide=purchase.fail_payment, reads=_PURCHASE),
    purchase.RefundPayment: Spec(
        decide=purchase.refund_payment, reads=_PURCHASE, writes=(_account,), balances=_OF_USER
    ),
    purchase.ExpirePurchase: Spec(decide=purchase.expire_purchase, reads=_PURCHASE),
    style.DraftStyle: Spec(decide=style.draft_style, reads={"style": _own}),
    style.ReviseStyle: Spec(decide=style.revise_style, reads={"style": _own}),
    style.DeactivateStyle: Spec(decide=style.deactivate_style, reads={"style": _own}),
    style.ReactivateStyle: Spec(decide=style.reactivate_style, reads={"style": _own}),
    dataset.AddImage: Spec(decide=dataset.add_image, reads={"style": _style, "dataset": _own}),
    dataset.RemoveImage: Spec(
        decide=dataset.remove_image, reads={"style": _style, "dataset": _own}
    ),
    training.RequestTraining: Spec(
        decide=training.request_training,
        reads=_TRAINING | {"style": _style, "dataset": _dataset},
        balances=_OF_ARTIST,
    ),
    training.StartTraining: Spec(decide=training.start_training, reads=_TRAINING),
    training.ProgressTraining: Spec(decide=training.progress_training, reads=_TRAINING),
    training.CompleteTraining: Spec(
        decide=training.complete_training, reads=_TRAINING, writes=(_style, _dataset)
    ),
    training.FailTraining: Spec(
        decide=training.fail_training, reads=_TRAINING, writes=(_dataset, _expiry)
    ),
    generation.RequestGeneration: Spec(
        decide=generation.request_generation,
        reads=_GENERATION | {"style": _style, "retried": _retried},
        balances=_OF_USER,
    ),
    generation.StartGeneration: Spec(decide=generation.start_generation, reads=_GENERATION),
    generation.ProgressGeneration: Spec(decide=generation.progress_generation, reads=_GENERATION),
    generation.CompleteGeneration: Spec(decide=generation.complete_generation, reads=_GENERATION),
    generation.FailGeneration: Spec(
        decide=generation.fail_generation, reads=_GENERATION, writes=(_expiry,)
    ),
    attempt.EndLease: Spec(decide=attempt.end_lease, reads=_JOB, writes=(_locked_images, _expiry)),
    attempt.QueueAttempt: Spec(decide=attempt.queue_attempt, reads=_JOB),
    attempt.ExpireJob: Spec(
        decide=attempt.expire_job, reads=_JOB, writes=(_locked_images, _expiry)
    ),
    cancel.CancelGeneration: Spec(
        decide=cancel.cancel_generation, reads=_GENERATION, writes=(_expiry,)
    ),
    cancel.CancelTraining: Spec(
        decide=cancel.cancel_training, reads=_TRAINING, writes=(_dataset, _expiry)
    ),
    late.ReceiveLateResult: Spec(decide=late.receive_late_result, reads=_JOB),
    late.AcceptLateResult: Spec(
        decide=late.accept_late_result, reads=_GENERATION | {"old": _old}, balances=_OF_USER
    ),
    refund.RefundGeneration: Spec(
        decide=refund.refund_generation, reads=_GENERATION, writes=(_expiry,)
    ),
    refund.ClearEarnings: Spec(decide=refund.clear_earnings, reads=_GENERATION),
    earnings.ClaimEarnings: Spec(decide=earnings.claim_earnings, balances=_EARNED),
    earnings.RequestPayout: Spec(decide=earnings.request_payout, balances=_EARNED),
    earnings.PayPayout: Spec(decide=earnings.pay_payout, reads=_PAYOUT),
    earnings.ReturnPayout: Spec(decide=earnings.return_payout, reads=_PAYOUT),
    dead_letter.RequeueDeadLetter: Spec(decide=dead_letter.requeue_dead_letter),
    dead_letter.DropDeadLetter: Spec(decide=dead_letter.drop_dead_letter),
}
