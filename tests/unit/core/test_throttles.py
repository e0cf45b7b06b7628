"""Rates of throttles, as settings write them."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from core.throttles import Rate


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("6/min", Rate(6, 60)),
        ("1/s", Rate(1, 1)),
        ("20/hour", Rate(20, 3_600)),
        ("5/day", Rate(5, 86_400)),
        ("off", None),
    ],
)
def test_a_rate_is_read(text: str, rate: Rate | None) -> None:
    assert Rate.parse(text, "THROTTLE_X") == rate


@pytest.mark.parametrize("text", ["", "6", "6/month", "0/min", "-1/min", "6 / min", "99999999/s"])
def test_a_rate_that_is_none_stops_the_start(text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="THROTTLE_X"):
        Rate.parse(text, "THROTTLE_X")
