"""Broken rules: one exception each, its docstring the default message, its code stable."""

from typing import ClassVar

Detail = int | str | bool | None


class InvariantBroken(Exception):
    """A decision broke a promise of the book: a defect of ours, never a user's mistake."""


class RuleBroken(Exception):
    """A rule of the ledger refuses this command."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "rule_broken"

    def __init__(self, **details: Detail) -> None:
        super().__init__(self.code)
        self.details: dict[str, Detail] = details

    @property
    def message(self) -> str:
        """The rule in one English sentence."""
        return (type(self).__doc__ or self.code).strip()


class Unknown(RuleBroken):
    """There is no such thing, or it is not visible to you."""

    status = 404
    code = "not_found"


class Conflict(RuleBroken):
    """The request is right, but the state it meets is not."""

    status = 409
    code = "conflict"


# 402


class InsufficientTokens(RuleBroken):
    """The balance has fewer tokens than this costs."""

    status = 402
    code = "insufficient_tokens"


class InsufficientEarnings(RuleBroken):
    """The cleared earnings are fewer tokens than this."""

    status = 402
    code = "insufficient_earnings"


# 403


class ForeignTask(RuleBroken):
    """The task was claimed by another worker."""

    status = 403
    code = "foreign_task"


class NotTheOwner(RuleBroken):
    """Only its owner may do this."""

    status = 403
    code = "not_the_owner"


# 404


class UnknownStyle(Unknown):
    """There is no such style, or it is not visible to you."""

    code = "style_not_found"


class UnknownImage(Unknown):
    """There is no such training image."""

    code = "image_not_found"


class UnknownTraining(Unknown):
    """There is no such training, or it is not visible to you."""

    code = "training_not_found"


class UnknownGeneration(Unknown):
    """There is no such generation, or it is not visible to you."""

    code = "generation_not_found"


class UnknownPurchase(Unknown):
    """There is no such purchase, or it is not visible to you."""

    code = "purchase_not_found"


class UnknownPayout(Unknown):
    """There is no such payout, or it is not visible to you."""

    code = "payout_not_found"


class UnknownTask(Unknown):
    """There is no such task."""

    code = "task_not_found"


class UnknownRecipient(Unknown):
    """There is no such recipient."""

    code = "recipient_not_found"


# 409


class IdTaken(Conflict):
    """Something with this id exists already."""

    code = "id_taken"


class PriceChanged(Conflict):
    """The price is not the expected one any more."""

    code = "price_changed"


class StyleInactive(Conflict):
    """The style is not active."""

    code = "style_inactive"


class StyleNotTrained(Conflict):
    """The style has no trained model yet."""

    code = "style_not_trained"


class StyleAlreadyTrained(Conflict):
    """The style is trained already."""

    code = "style_already_trained"


class TrainingInProgress(Conflict):
    """A training of this style is in progress."""

    code = "training_in_progress"


class DuplicateImage(Conflict):
    """The style has this very picture already."""

    code = "duplicate_image"


class AlreadyCompleted(Conflict):
    """The job is completed: its result is there, and it is paid for."""

    code = "already_completed"


class AlreadyEnded(Conflict):
    """The job has ended without a result, and cost nothing."""

    code = "already_ended"


class NotRetryable(Conflict):
    """Only a failed or expired job can be ordered again."""

    code = "not_retryable"


class NoLateResult(Conflict):
    """There is no late result of this job to accept."""

    code = "no_late_result"


class LateResultGone(Conflict):
    """The late result was kept for a time, and that is over."""

    code = "late_result_gone"


class LateResultAccepted(Conflict):
    """The late result was accepted before."""

    code = "late_result_accepted"


class NotRefundable(Conflict):
    """Nothing was captured for this job, so there is nothing to refund."""

    code = "not_refundable"


class AlreadyRefunded(Conflict):
    """The price went back before; it goes back once."""

    code = "already_refunded"


class RefundTooLate(Conflict):
    """The time for refunds is over."""

    code = "refund_too_late"


class PayoutClosed(Conflict):
    """The payout was paid or returned before."""

    code = "payout_closed"


# 422


class AmountOutOfRange(RuleBroken):
    """The amount is outside what one movement may have."""

    code = "amount_out_of_range"


class PriceOutOfRange(RuleBroken):
    """The price is outside what a style may cost."""

    code = "price_out_of_range"


class UnknownColour(RuleBroken):
    """Tokens are granted as paid, promo, or promo with a last day that is not over."""

    code = "unknown_colour"


class SelfTransfer(RuleBroken):
    """Tokens cannot be transferred to oneself."""

    code = "self_transfer"


class UnknownPackage(RuleBroken):
    """There is no such package."""

    code = "unknown_package"


class TooFewImages(RuleBroken):
    """The style has too few training images."""

    code = "too_few_images"


class TooManyImages(RuleBroken):
    """The style has as many training images as it may have."""

    code = "too_many_images"


class UnknownSize(RuleBroken):
    """Pictures do not come in this size."""

    code = "unknown_size"


class ParameterOutOfRange(RuleBroken):
    """A parameter is outside its range."""

    code = "parameter_out_of_range"


RULES: tuple[type[RuleBroken], ...] = (
    InsufficientTokens,
    InsufficientEarnings,
    ForeignTask,
    NotTheOwner,
    UnknownStyle,
    UnknownImage,
    UnknownTraining,
    UnknownGeneration,
    UnknownPurchase,
    UnknownPayout,
    UnknownTask,
    UnknownRecipient,
    IdTaken,
    PriceChanged,
    StyleInactive,
    StyleNotTrained,
    StyleAlreadyTrained,
    TrainingInProgress,
    DuplicateImage,
    AlreadyCompleted,
    AlreadyEnded,
    NotRetryable,
    NoLateResult,
    LateResultGone,
    LateResultAccepted,
    NotRefundable,
    AlreadyRefunded,
    RefundTooLate,
    PayoutClosed,
    AmountOutOfRange,
    PriceOutOfRange,
    UnknownColour,
    SelfTransfer,
    UnknownPackage,
    TooFewImages,
    TooManyImages,
    UnknownSize,
    ParameterOutOfRange,
)
RULES_BY_CODE: dict[str, type[RuleBroken]] = {rule.code: rule for rule in RULES}
