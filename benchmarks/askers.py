"""A client of the queue of commands: `python -m benchmarks.askers KEYS PEOPLE NUMBER`.

Publishes transfers and waits for their answers, so that none is on its way between two rounds.
"""

import json
import queue
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import django

django.setup()

from django.conf import settings  # noqa: E402 -- these need Django's settings

from benchmarks.peers.rounds import serve  # noqa: E402
from consumers.broker import Delivery, Message, Queue, ack_all  # noqa: E402
from consumers.connect import connect  # noqa: E402
from consumers.topology import COMMANDS, TOPOLOGY  # noqa: E402

ANSWERS = Queue(name="bench.answers", delivery_limit=None)
AT_ONCE = 2_000
TIMEOUT_SECONDS = 60


class Asker:
    """Sends AT_ONCE commands of as many people as there are, and collects the answers."""

    def __init__(self, keys: list[str], people: list[str]) -> None:
        self._keys, self._people = keys, people
        self._answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._broker = connect()
        self._broker.declare([*TOPOLOGY, ANSWERS])
        self._broker.consume([ANSWERS.name], self._take, prefetch=200)

    def work(self) -> int:
        """Have as many commands carried out as are sent at once."""
        asked = [(COMMANDS, self._transfer()) for _ in range(AT_ONCE)]
        told = self._broker.publish_many(asked, timeout_seconds=TIMEOUT_SECONDS)
        assert not any(told), next(filter(None, told))
        for _ in asked:
            answer = json.loads(self._answers.get(timeout=TIMEOUT_SECONDS))
            assert (answer["status"], answer["replayed"]) == (201, False), answer
        return len(asked)

    def _take(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self._answers.put(delivery.message.body)
        ack_all(deliveries)

    def _transfer(self) -> Message:
        recipient = random.choice(self._people)
        return Message(
            id=str(uuid4()),
            type="tokens.transfer",
            body=json.dumps({"version": 1, "recipient_id": recipient, "amount": 1}).encode(),
            headers={"authorization": f"Bearer {random.choice(self._keys)}"},
            reply_to=settings.QUEUE_PREFIX + ANSWERS.name,
        )


def main(keys: str, people: str, _number: str) -> None:
    """Send commands until the input ends; both files are JSON lists."""
    asker = Asker(json.loads(Path(keys).read_text()), json.loads(Path(people).read_text()))
    serve(asker.work, backend=0)  # whose session is the consumer's, and not counted


if __name__ == "__main__":
    main(*sys.argv[1:])
