"""No new jobs during maintenance."""

from api.errors import Problem
from core.maintenance import is_on

RETRY_AFTER_SECONDS = 60


def refuse_during_maintenance() -> None:
    """Raise 503 `maintenance` while an operator lets running jobs end and no new ones begin."""
    if is_on():
        raise Problem(503, "maintenance", retry_after_seconds=RETRY_AFTER_SECONDS)
