"""How a view that uses the object store answers when the store does not."""

from api.errors import exception_handler
from core.storage import StoreUnavailable


def test_a_store_that_does_not_answer_means_later() -> None:
    """Design section 9: to a worker, 503 means: later."""
    answer = exception_handler(StoreUnavailable(), {})
    assert answer is not None
    assert answer.status_code == 503
    assert answer.data["error"]["code"] == "storage_unavailable"
    assert answer.data["error"]["retryable"] is True
