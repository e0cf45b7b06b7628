"""What a monitor reads of the relay and the broker, asked when it asks; nothing is kept."""

from collections.abc import Iterator

import structlog
from django.conf import settings
from django.db import connection
from prometheus_client.core import GaugeMetricFamily, Metric

from consumers.broker import BrokerError
from consumers.dead_letters.connect import letters_of_broker
from consumers.dead_letters.letters import origins
from consumers.topology import topology

# The lag, and how many shards a living relay holds.
_RELAY = """
select coalesce(sum(h.position - coalesce(r.position, 0)), 0)::bigint,
    coalesce(greatest(0, max(extract(epoch from clock_timestamp() - e.recorded_at))), 0)::float8,
    count(*) filter (where r.leased_until >= now())
from head as h
left join relay_shard as r on r.shard = h.shard
left join event as e on e.shard = h.shard and e.position = coalesce(r.position, 0) + 1
"""
log = structlog.get_logger(__name__)


def collect() -> Iterator[Metric]:
    """Yield every figure; raises DatabaseError. A broker that is away is a figure as well."""
    with connection.cursor() as cursor:
        cursor.execute(_RELAY)
        events, seconds, held = cursor.fetchone()
    yield GaugeMetricFamily(
        "ledger_relay_lag_events", "Events that the relay has not passed.", events
    )
    yield GaugeMetricFamily("ledger_relay_lag_seconds", "Age of the oldest of them.", seconds)
    yield GaugeMetricFamily("ledger_relay_shards", "Shards that a living relay holds.", held)
    yield from _broker()


def _broker() -> Iterator[Metric]:
    letters = GaugeMetricFamily(
        "ledger_dead_letters", "Dead letters that wait, by their queue.", labels=["queue"]
    )
    is_up = True
    try:
        queues = list(origins(topology(settings.MODEL_FAMILIES)))
        for queue, count in letters_of_broker().counts(queues).items():
            letters.add_metric([queue], count)
    except BrokerError as error:
        is_up = False
        log.warning("broker_not_watched", error=str(error))
    yield GaugeMetricFamily("ledger_broker_up", "1 if the broker answers.", int(is_up))
    yield letters
