"""A consumer process for the tests: takes deliveries, says so, and never settles them."""

import os
import sys
import threading
from collections.abc import Sequence

from consumers.broker import Broker, Delivery
from tests.integration.consumers.conftest import QUEUES


def broker() -> Broker:
    """Return the broker that the environment names."""
    if os.environ["AMQP_URL"]:
        from consumers.rabbitmq import RabbitBroker

        return RabbitBroker(os.environ["AMQP_URL"], prefix=os.environ["QUEUE_PREFIX"])
    import django

    django.setup()
    from consumers.embedded import EmbeddedBroker

    return EmbeddedBroker()


def hold(deliveries: Sequence[Delivery]) -> None:
    """Say which delivery is held and hold it."""
    sys.stdout.write(f"{deliveries[0].message.id}\n")
    sys.stdout.flush()
    threading.Event().wait()


if __name__ == "__main__":
    held = broker()
    held.declare(QUEUES)
    held.consume(["work"], hold, prefetch=1).wait()
