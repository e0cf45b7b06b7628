"""The broker that the settings name."""

from django.conf import settings

from consumers.broker import Broker


def connect() -> Broker:
    """Return RabbitMQ where AMQP_URL is set, else the embedded queue; never one for the other."""
    seconds = settings.BROKER_START_SECONDS
    if settings.AMQP_URL:
        from consumers.rabbitmq import RabbitBroker  # pika is imported only where it is used

        return RabbitBroker(settings.AMQP_URL, prefix=settings.QUEUE_PREFIX, start_seconds=seconds)
    from consumers.embedded import EmbeddedBroker

    return EmbeddedBroker(start_seconds=seconds)
