"""Retries: bounded, growing, and as patient as the server asks."""

import threading
import time
from itertools import pairwise

import pytest
import requests

from consumers.worker.retry import Retry, Unreachable, answered

FAST = Retry(attempts=3, first_seconds=0.001, longest_seconds=0.002)


def response(status: int, **headers: str) -> requests.Response:
    made = requests.Response()
    made.status_code = status
    made.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return made


class Server:
    """Gives the listed answers one after the other; exceptions are raised."""

    def __init__(self, *answers: requests.Response | Exception) -> None:
        self.answers = list(answers)
        self.asked = 0

    def send(self) -> tuple[requests.Response, None]:
        self.asked += 1
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer, None


@pytest.mark.parametrize("status", [200, 204, 302, 400, 401, 403, 404, 409, 422])
def test_an_answer_is_final(status: int) -> None:
    server = Server(response(status))
    assert answered(server.send, retry=FAST)[0].status_code == status
    assert server.asked == 1


@pytest.mark.parametrize(
    "trouble",
    [
        response(425),
        response(429),
        response(500),
        response(503),
        requests.ConnectionError(),
        requests.Timeout(),
    ],
)
def test_trouble_is_tried_again(trouble: requests.Response | Exception) -> None:
    server = Server(trouble, trouble, response(200))
    assert answered(server.send, retry=FAST)[0].status_code == 200


def test_what_does_not_count_is_tried_again() -> None:
    server = Server(response(404), response(302), response(200))
    got, _ = answered(server.send, retry=FAST, counts=lambda given, _: given.status_code == 200)
    assert got.status_code == 200


def test_tries_are_bounded() -> None:
    server = Server(*[response(503)] * 5)
    with pytest.raises(Unreachable, match="HTTP 503"):
        answered(server.send, retry=FAST)
    assert server.asked == 3


def test_a_stop_ends_the_waiting() -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Unreachable, match="stopped after HTTP 503"):
        answered(Server(response(503)).send, retry=Retry(first_seconds=60), stop=stop)


def test_pauses_double_up_to_the_limit() -> None:
    retry = Retry(first_seconds=1, longest_seconds=8)
    pauses = [retry.pause_seconds(failures) for failures in (1, 2, 3, 4, 5, 1000)]
    for pause, step in zip(pauses, (1, 2, 4, 8, 8, 8), strict=True):
        assert step / 2 <= pause <= step
    assert all(later > earlier / 2 for earlier, later in pairwise(pauses))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry_After": "3"}, 3),
        ({"Retry_After": "100000"}, 60),
        ({"Retry_After": "-3"}, 0),
        ({"Retry_After": "soon"}, 0),
        ({}, 0),
        (
            {
                "Retry_After": "Mon, 23 Nov 2026 12:00:05 GMT",
                "Date": "Mon, 23 Nov 2026 12:00:00 GMT",
            },
            5,
        ),
        ({"Retry_After": "Mon, 23 Nov 2026 12:00:05 GMT"}, 0),
    ],
)
def test_the_server_may_ask_for_a_pause_of_up_to_a_minute(
    headers: dict[str, str], seconds: float
) -> None:
    with pytest.raises(Unreachable) as away:
        answered(Server(response(429, **headers)).send, retry=FAST.once())
    assert away.value.after_seconds == seconds


def test_the_pause_that_was_asked_for_is_made() -> None:
    began = time.monotonic()
    answered(Server(response(429, Retry_After="1"), response(200)).send, retry=FAST)
    assert time.monotonic() - began >= 1
