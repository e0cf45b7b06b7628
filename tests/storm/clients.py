"""People who order, train, buy, send and cancel, and who insist on an answer to each request."""

import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import requests

from demo.client import Client

INSIST_SECONDS = 300.0
ANSWER_SECONDS = 20.0
LATER = {429, 500, 502, 503, 504}


class Unanswered(Exception):
    """The system did not answer for INSIST_SECONDS."""


@dataclass
class Person:
    """Somebody with an API key, and what came to them and went for certain."""

    name: str
    id: str
    key: str
    given: int = 0


@dataclass
class Acknowledged:
    """What was promised to somebody: `kind` and `id` of what has to be there."""

    kind: str
    id: str
    person: Person
    price: int = 0


@dataclass
class Record:
    """What all clients together were told."""

    acknowledged: list[Acknowledged] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    later: Counter[int] = field(default_factory=Counter)
    unanswered: int = 0
    tries: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def keep(self, kind: str, identifier: str, person: Person, price: int = 0) -> None:
        """Note what was acknowledged."""
        with self.lock:
            self.acknowledged.append(Acknowledged(kind, identifier, person, price))

    def of(self, *kinds: str) -> list[Acknowledged]:
        """Return what was acknowledged of these kinds."""
        return [one for one in self.acknowledged if one.kind in kinds]


class Crowd:
    """Sends what `actions` draws, from several threads, until it has been drawn `count` times."""

    def __init__(self, url: str, people: Sequence[Person], record: Record, seed: int) -> None:
        self.url, self.people, self.record, self.seed = url, people, record, seed
        self.styles: list[str] = []
        self.drafts: list[tuple[Person, str]] = []
        self.price = 10
        self._left = 0
        self._pause = 0.0
        self._lock = threading.Lock()

    def run(self, count: int, *, threads: int, seconds: float) -> list[threading.Thread]:
        """Start the threads; their orders spread over about so many seconds."""
        self._left, self._pause = count, seconds * threads / count
        started = [
            threading.Thread(target=self._go, args=(random.Random(self.seed + number),))
            for number in range(threads)
        ]
        for thread in started:
            thread.start()
        return started

    def _go(self, rng: random.Random) -> None:
        with requests.Session() as session:
            while self._take():
                began = time.monotonic()
                try:
                    self._job(rng, session)
                    self._aside(rng, session)
                except Unanswered:
                    with self.record.lock:
                        self.record.unanswered += 1
                time.sleep(max(0.0, self._pause * rng.uniform(0.5, 1.5) + began - time.monotonic()))

    def _take(self) -> bool:
        with self._lock:
            self._left -= 1
            return self._left >= 0

    def _job(self, rng: random.Random, session: requests.Session) -> None:
        """Order a picture, or train a style if one is left and chance says so."""
        with self._lock:
            draft = self.drafts.pop() if self.drafts and rng.random() < 0.1 else None
        if draft:
            artist, style = draft
            answer = self.insist(session, artist, f"/api/styles/{style}/train/", {"epochs": 4})
            if answer is not None:
                self.record.keep("training", answer["training_id"], artist, 100)
            return
        person = rng.choice(self.people)
        order = {"style_id": rng.choice(self.styles), "prompt": f"a storm {rng.random()}"}
        answer = self.insist(session, person, "/api/generations/", order)
        if answer is None:
            return
        self.record.keep("generation", answer["id"], person, self.price)
        if rng.random() < 0.05:
            canceled = self.insist(session, person, f"/api/generations/{answer['id']}/cancel/", {})
            if canceled is not None:
                self.record.keep("cancel", answer["id"], person)

    def _aside(self, rng: random.Random, session: requests.Session) -> None:
        """Now and then send tokens to somebody, or buy some."""
        chance = rng.random()
        person = rng.choice(self.people)
        if chance < 0.1:
            other = rng.choice([one for one in self.people if one is not person])
            body = {"recipient_id": other.id, "amount": rng.randint(1, 5)}
            answer = self.insist(session, person, "/api/tokens/transfers/", body)
            if answer is not None:
                self.record.keep("transfer", answer["id"], person, body["amount"])
                with self._lock:
                    person.given -= body["amount"]
                    other.given += body["amount"]
        elif chance < 0.15:
            bought = self.insist(session, person, "/api/tokens/purchases/", {"package": "starter"})
            if bought is not None:
                path = f"/api/sandbox/purchases/{bought['id']}/pay"
                if self.insist(session, person, path, {"outcome": "paid"}) is not None:
                    self.record.keep("purchase", bought["id"], person, bought["tokens"])
                    with self._lock:
                        person.given += bought["tokens"]

    def insist(
        self, session: requests.Session, person: Person, path: str, body: Any
    ) -> dict[str, Any] | None:
        """Send one request under one key until it is answered; None if it is refused.

        Raises Unanswered.
        """
        headers = {"Authorization": f"Bearer {person.key}", "Idempotency-Key": str(uuid4())}
        until = time.monotonic() + INSIST_SECONDS
        while time.monotonic() < until:
            with self.record.lock:
                self.record.tries += 1
            try:
                response = session.post(
                    f"{self.url}{path}", json=body, headers=headers, timeout=ANSWER_SECONDS
                )
                answer = response.json()
            except (requests.RequestException, ValueError):
                time.sleep(0.2)
                continue
            if response.status_code in LATER:
                with self.record.lock:
                    self.record.later[response.status_code] += 1
                time.sleep(0.2)
                continue
            if response.ok:
                found: dict[str, Any] = answer
                return found
            with self.record.lock:
                self.record.refused[answer["error"]["code"]] += 1
            return None
        raise Unanswered(path)


def sign_up(url: str, name: str) -> Person:
    """Open an account."""
    body = {"username": name, "email": f"{name}@example.org", "password": f"{uuid4()} is long"}
    key = Client(url).post("/api/auth/signup/", body)["api_key"]
    return Person(name, Client(url, key).get("/api/users/me/")["id"], key)
