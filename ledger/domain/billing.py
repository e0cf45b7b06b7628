"""What is billed at each end of a job: the table that the API shows and a test walks."""

from dataclasses import dataclass

from ledger.domain.attempt import DEADLINE_EXCEEDED, LEASE_EXPIRED, NOT_STARTED
from ledger.domain.job import HoldStatus, JobStatus

RESULT_MISSING = "result_missing"
RESULT_INVALID = "result_invalid"
MODERATION = "moderation"
WORKER_ERROR = "worker_error"
WORKER_FAILED = "worker_failed"
ANY_OTHER = "*"  # whatever else a worker reports


@dataclass(frozen=True, kw_only=True, slots=True)
class BillingRule:
    """One way a job of `kind` ends; `code` is its error code, None where there is none.

    `hold` says what became of the tokens that were set aside; `is_charged` whether the payer
    paid the quote, whole, or nothing.
    """

    kind: str
    outcome: JobStatus
    code: str | None
    hold: HoldStatus

    @property
    def is_charged(self) -> bool:
        """Whether the payer is charged the quote; there is no charge in between (G4)."""
        return self.hold is HoldStatus.CAPTURED


_ENDS: tuple[tuple[JobStatus, tuple[str | None, ...], HoldStatus], ...] = (
    (JobStatus.COMPLETED, (None,), HoldStatus.CAPTURED),
    (
        JobStatus.FAILED,
        (
            LEASE_EXPIRED,
            RESULT_MISSING,
            RESULT_INVALID,
            MODERATION,
            WORKER_ERROR,
            WORKER_FAILED,
            ANY_OTHER,
        ),
        HoldStatus.RELEASED,
    ),
    (JobStatus.EXPIRED, (NOT_STARTED, DEADLINE_EXCEEDED), HoldStatus.RELEASED),
    (JobStatus.CANCELED, (None,), HoldStatus.RELEASED),
)

BILLING: tuple[BillingRule, ...] = (
    *(
        BillingRule(kind=kind, outcome=outcome, code=code, hold=hold)
        for kind in ("generation", "training")
        for outcome, codes, hold in _ENDS
        for code in codes
    ),
    BillingRule(
        kind="generation", outcome=JobStatus.COMPLETED, code=None, hold=HoldStatus.REFUNDED
    ),
)
