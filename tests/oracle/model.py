"""The model: takes the same commands as the door, by the table below, and remembers answers (G7).

Commands come as the ledger's own data classes; the model reads their fields by name.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from tests.oracle import job_rules, money_rules, worker_rules
from tests.oracle.world import Refusal, World

RULES: dict[str, Callable[[World, Any], str | None]] = {
    "GrantTokens": money_rules.grant,
    "TransferTokens": money_rules.transfer,
    "ExpireTokens": money_rules.expire_tokens,
    "StartPurchase": money_rules.start_purchase,
    "ConfirmPayment": money_rules.confirm_payment,
    "FailPayment": money_rules.fail_payment,
    "ExpirePurchase": money_rules.expire_purchase,
    "RefundPayment": money_rules.refund_payment,
    "ClaimEarnings": money_rules.claim,
    "RequestPayout": money_rules.request_payout,
    "PayPayout": money_rules.pay_payout,
    "ReturnPayout": money_rules.return_payout,
    "DraftStyle": job_rules.draft_style,
    "ReviseStyle": job_rules.revise_style,
    "DeactivateStyle": job_rules.deactivate_style,
    "ReactivateStyle": job_rules.reactivate_style,
    "AddImage": job_rules.add_image,
    "RequestTraining": job_rules.request_training,
    "RequestGeneration": job_rules.request_generation,
    "StartTraining": worker_rules.start,
    "StartGeneration": worker_rules.start,
    "ProgressTraining": worker_rules.progress,
    "ProgressGeneration": worker_rules.progress,
    "CompleteTraining": worker_rules.complete,
    "CompleteGeneration": worker_rules.complete,
    "FailTraining": worker_rules.fail,
    "FailGeneration": worker_rules.fail,
    "EndLease": worker_rules.end_lease,
    "QueueAttempt": worker_rules.queue_attempt,
    "ExpireJob": worker_rules.expire_job,
    "CancelGeneration": job_rules.cancel_generation,
    "CancelTraining": job_rules.cancel_training,
    "ReceiveLateResult": worker_rules.receive_late,
    "AcceptLateResult": job_rules.accept_late,
    "RefundGeneration": job_rules.refund,
    "ClearEarnings": job_rules.clear,
}

# 402 and 403 are not remembered: who tops up can send the same request again.
FORGOTTEN = {"insufficient_tokens", "insufficient_earnings", "foreign_task", "not_the_owner"}


class Answer(NamedTuple):
    """What a command got: the refusal's code or None, and a report's disposition.

    `missing` are the details of too few tokens.
    """

    code: str | None = None
    disposition: str | None = None
    is_replayed: bool = False
    missing: tuple[tuple[str, int], ...] = ()


class Model:
    """The second ledger."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.answers: dict[tuple[str, str], tuple[str, Answer]] = {}

    def take(self, order: Any) -> Answer:
        """Answer one order of the door's, under its key if it has one."""
        key = order.context.key
        place = key and (key.scope, key.key)
        if place in self.answers:
            fingerprint, first = self.answers[place]
            if fingerprint != key.fingerprint:
                return Answer(code="idempotency_key_reused")
            return first._replace(is_replayed=True)
        try:
            said = RULES[type(order.command).__name__](self.world, order.command)
            answer = Answer(disposition=said)
        except Refusal as refusal:
            missing = tuple(sorted(refusal.details.items()))
            answer = Answer(code=refusal.code, missing=missing)
        if place and answer.code not in FORGOTTEN:
            self.answers[place] = key.fingerprint, answer
        return answer
