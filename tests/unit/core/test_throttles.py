"""Rates of throttles, as settings write them."""

import re

import pytest
from django.core.exceptions import ImproperlyConfigured

from core.settings import BASE_DIR, DEFAULT_RATES
from core.throttles import Rate
from demo.system import UNTHROTTLED


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


def test_the_page_for_operators_names_every_throttle_and_its_rate() -> None:
    page = (BASE_DIR / "docs" / "how-to" / "operate.md").read_text()

    told = dict(re.findall(r"^\| THROTTLE_([A-Z]+) \| (\S+) \|", page, re.MULTILINE))

    assert {scope.lower(): rate for scope, rate in told.items()} == DEFAULT_RATES


def test_what_runs_unthrottled_knows_every_throttle() -> None:
    assert UNTHROTTLED.keys() == {f"THROTTLE_{scope.upper()}" for scope in DEFAULT_RATES}
