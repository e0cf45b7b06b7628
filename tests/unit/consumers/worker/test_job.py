"""A job as the author's function sees it."""

import pytest

from consumers.worker.job import Job, JobFailed


def test_a_function_may_report_without_a_kit_around_it() -> None:
    Job(task_id="t", type="image_generation", data={}, inputs=()).report(50)


def test_a_failure_carries_code_message_and_whether_to_try_again() -> None:
    failure = JobFailed("no_memory", "The GPU is full", retryable=True)
    assert (failure.code, failure.message, failure.retryable) == (
        "no_memory",
        "The GPU is full",
        True,
    )
    assert str(failure) == "The GPU is full"


@pytest.mark.parametrize("code", ["", "No", "no memory", "9", "x" * 65, "\uff41"])
def test_a_code_that_the_server_would_refuse_is_an_error_of_the_author(code: str) -> None:
    with pytest.raises(ValueError, match="not a code"):
        JobFailed(code, "", retryable=False)
