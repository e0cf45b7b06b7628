"""The numbers of the rules, passed in from the settings: the domain reads none itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


def _packages() -> Mapping[str, tuple[int, int]]:
    prices = {"starter": (500, 500), "plus": (2_200, 2_000), "studio": (6_000, 5_000)}
    return MappingProxyType(prices)


@dataclass(frozen=True, kw_only=True, slots=True)
class JobLimits:
    """How long a kind of job may take: seconds to its first start, to its end, and of a lease.

    `run_seconds` count from the first start for a generation, from the request for a training.
    `retry_seconds` are the pauses before the second and later attempts; their count is the limit.
    """

    start_seconds: float
    run_seconds: float
    lease_seconds: float
    retry_seconds: tuple[float, ...]


GENERATION_LIMITS = JobLimits(
    start_seconds=15 * 60, run_seconds=10 * 60, lease_seconds=60, retry_seconds=(5, 30, 120)
)
TRAINING_LIMITS = JobLimits(
    start_seconds=6 * 3600, run_seconds=24 * 3600, lease_seconds=120, retry_seconds=(60, 300, 900)
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """The terms on which commands are decided; the defaults are those of the design.

    Tokens, hundredths of a per cent (`_bps`) and seconds; packages are (tokens, cents) by name.
    """

    fee_bps: int = 1_000
    training_cost: int = 100
    default_price: int = 100
    min_price: int = 10
    max_price: int = 10_000
    min_images: int = 10
    max_images: int = 100

    packages: Mapping[str, tuple[int, int]] = field(default_factory=_packages)
    currency: str = "USD"
    payment_provider: str = "sandbox"
    purchase_expiry_seconds: float = 15 * 60

    generation: JobLimits = GENERATION_LIMITS
    training: JobLimits = TRAINING_LIMITS
    max_checkpoints: int = 100
    late_result_seconds: float = 24 * 3600
    refund_seconds: float = 7 * 24 * 3600
    clearing_seconds: float = 7 * 24 * 3600 + 3600
    goodwill_seconds: float = 90 * 24 * 3600
