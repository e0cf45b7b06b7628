"""The dead letters of the broker that the settings name."""

from django.conf import settings

from consumers.dead_letters.letters import Letters


def letters_of_broker() -> Letters:
    """Return those of RabbitMQ where AMQP_URL is set, else those of the embedded queue."""
    if settings.AMQP_URL:
        from consumers.dead_letters.rabbitmq import RabbitLetters  # pika only where it is used

        return RabbitLetters(settings.AMQP_URL, prefix=settings.QUEUE_PREFIX)
    from consumers.dead_letters.embedded import EmbeddedLetters

    return EmbeddedLetters()
