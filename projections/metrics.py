"""What a monitor reads of the book, its jobs and its projections, computed when it asks.

Each figure costs a few index look-ups, however long the book is.
"""

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from ledger import refusals
from ledger.book import read
from projections import due
from projections.catalogue import PROJECTORS
from projections.checkpoints import Lag, lags
from projections.event_counts import events_by_type

ENDINGS = ("Completed", "Failed", "Expired", "Canceled")


def collect() -> Iterator[Metric]:
    """Yield every figure; raises DatabaseError."""
    by_type = events_by_type()
    appended = CounterMetricFamily("ledger_events", "Events in the book.")
    appended.add_metric([], sum(head.position for head in read.heads().values()))
    yield appended
    yield _counter("ledger_typed_events", "Events that were counted, by type.", "type", by_type)
    yield _counter(
        "ledger_refusals", "Commands that the ledger refused, by code.", "code", refusals.counted()
    )
    yield from _jobs(by_type)
    yield _gauge(
        "ledger_timer_overdue_seconds",
        "Since when the first thing is due that a timer has not done.",
        "timer",
        due.overdue_seconds(),
    )
    yield from _projections(lags(PROJECTORS))


def _jobs(by_type: Mapping[str, int]) -> Iterator[Metric]:
    still = GaugeMetricFamily(
        "ledger_jobs", "Jobs that have not ended, by status.", labels=["kind", "status"]
    )
    ended = CounterMetricFamily("ledger_jobs_ended", "Ended jobs.", labels=["kind", "status"])
    for kind in due.JOB_KINDS:
        for status, count in due.open_jobs_by_status(kind).items():
            still.add_metric([kind, status], count)
        for ending in ENDINGS:
            count = by_type.get(f"{kind.capitalize()}{ending}", 0)
            ended.add_metric([kind, ending.lower()], count)
    yield still
    yield ended
    yield _gauge(
        "ledger_oldest_hold_seconds",
        "How long the oldest open job has held its tokens.",
        "kind",
        {kind: due.oldest_hold_seconds(kind) for kind in due.JOB_KINDS},
    )


def _projections(found: Iterable[Lag]) -> Iterator[Metric]:
    names = [projector.name for projector in PROJECTORS]
    events, seconds, stopped, shards = (dict.fromkeys(names, 0.0) for _ in range(4))
    for lag in found:
        events[lag.projection] += lag.positions
        seconds[lag.projection] = max(seconds[lag.projection], lag.seconds)
        stopped[lag.projection] += lag.state == "stopped"
        shards[lag.projection] += 1
    texts = {
        "ledger_projection_lag_events": ("Events that a projection has not folded.", events),
        "ledger_projection_lag_seconds": ("Age of the oldest of them.", seconds),
        "ledger_projection_stopped_shards": ("Shards that it cannot fold on.", stopped),
        "ledger_projection_shards": ("Shards that it has begun; 0: it never ran.", shards),
    }
    for name, (text, values) in texts.items():
        yield _gauge(name, text, "projection", values)


def _gauge(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for one, value in values.items():
        family.add_metric([one], value)
    return family


def _counter(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(name, text, labels=[label])
    for one, value in sorted(values.items()):
        family.add_metric([one], value)
    return family
