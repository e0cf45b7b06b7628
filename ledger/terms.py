"""The terms of the domain's rules, from the settings."""

from functools import cache

from django.conf import settings

from ledger.domain.terms import JobLimits, Terms


@cache
def terms() -> Terms:
    """Return the terms on which commands are decided; read once per process."""
    return Terms(
        fee_bps=settings.PLATFORM_FEE_BPS,
        training_cost=settings.TRAINING_COST_TOKENS,
        packages=settings.PACKAGES,
        payment_provider=settings.PAYMENT_PROVIDER,
        purchase_expiry_seconds=settings.PURCHASE_EXPIRY_SECONDS,
        generation=JobLimits(
            start_seconds=settings.GENERATION_START_SECONDS,
            run_seconds=settings.GENERATION_RUN_SECONDS,
            lease_seconds=settings.GENERATION_LEASE_SECONDS,
            retry_seconds=settings.GENERATION_RETRY_SECONDS,
        ),
        training=JobLimits(
            start_seconds=settings.TRAINING_START_SECONDS,
            run_seconds=settings.TRAINING_RUN_SECONDS,
            lease_seconds=settings.TRAINING_LEASE_SECONDS,
            retry_seconds=settings.TRAINING_RETRY_SECONDS,
        ),
        late_result_seconds=settings.LATE_RESULT_SECONDS,
        refund_seconds=settings.REFUND_SECONDS,
        clearing_seconds=settings.CLEARING_SECONDS,
        goodwill_seconds=settings.GOODWILL_SECONDS,
    )
