"""One fault run: people order and train while everything is killed; then everything is counted."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

from demo.client import Client
from demo.rabbitmq_nodes import Node
from tests.pictures import picture
from tests.storm.clients import Crowd, Person, Record, sign_up
from tests.storm.judge import Verdict, judge, open_jobs
from tests.storm.killer import Killer, Plan
from tests.storm.stage import Stage

TIME_SCALE = 10
GRACE_SECONDS = 60 / TIME_SCALE
SETTINGS = {
    "TIME_SCALE": str(TIME_SCALE),
    "LOG_LEVEL": "WARNING",
    "TRAINING_START_SECONDS": "1800",
    "TRAINING_RUN_SECONDS": "3600",
}
"""Leases of 6 and 12 s, deadlines of 2.5 and 6 minutes: whatever is lost ends within the run."""
PEOPLE, ARTISTS, STYLES, THREADS, WORKERS = 24, 4, 4, 6, 4
GIVEN = 100_000
WELCOME = 100
PRICE = 10
TRAININGS = 20  # one in so many jobs is a training
SETTLE_SECONDS = 3600 / TIME_SCALE + 120

Tell = Callable[[str], None]


@dataclass
class Report:
    """What was done, and what became of it."""

    seed: int
    jobs: int
    seconds: float = 0.0
    kills: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    down_seconds: float = 0.0
    versions: str = ""
    record: Record = field(default_factory=Record)
    verdict: Verdict = field(default_factory=Verdict)

    def processes(self) -> Counter[str]:
        """Return how often which process of ours was killed."""
        servers = {"postgres", "rabbitmq", "cut"}
        return Counter({name: n for name, n in self.kills.items() if name not in servers})

    @property
    def process_kills(self) -> int:
        """How many processes of ours were killed."""
        return self.processes().total()

    def as_json(self) -> dict[str, int]:
        """Return the counts of benchmarks/faults.json."""
        verdict = self.verdict
        return {
            "jobs": len(self.record.of("generation", "training")),
            "kills": self.process_kills,
            "postgres_kills": self.kills["postgres"],
            "rabbitmq_kills": self.kills["rabbitmq"],
            "nonterminal": len(verdict.nonterminal),
            "lost": len(verdict.lost) + self.record.unanswered,
            "moved_twice": len(verdict.moved_twice),
            "violations": len(verdict.violations) + len(verdict.late),
        }


def run(
    folder: Path,
    *,
    jobs: int,
    plan: Plan,
    seconds: float,
    seed: int,
    node: Node | None,
    tell: Tell,
) -> Report:
    """Make one run; raises what kept it from being one, such as a part that did not come back."""
    report, began = Report(seed=seed, jobs=jobs), time.monotonic()
    stage = Stage(folder, seed=seed, workers=WORKERS, node=node, settings=SETTINGS)
    with stage:
        people = prepare(stage, jobs, report.record, seed)
        tell(f"{stage.direct} is up; {jobs} jobs begin")
        crowd = people.crowd
        killer = Killer(stage, plan, seconds=seconds, seed=seed)
        killer.start()
        threads = crowd.run(jobs, threads=THREADS, seconds=seconds)
        _watch(report, killer, [*threads, killer], tell)
        if killer.error:
            raise killer.error
        stage.calm()
        tell("the storm is over; what is open ends")
        _settle(stage, report.record, tell)
        report.kills, report.faults = killer.counts, stage.proxy.counts
        report.down_seconds, report.versions = stage.down.total(), stage.versions()
        report.verdict = judge(stage, report.record, people.all, GRACE_SECONDS)
    report.seconds = time.monotonic() - began
    return report


@dataclass
class People:
    """Everybody, and the crowd that they make."""

    all: list[Person]
    crowd: Crowd


def prepare(stage: Stage, jobs: int, record: Record, seed: int) -> People:
    """Open the accounts, give them tokens, train the styles and draft those to be trained."""
    url = stage.direct
    key = stage.system.must_manage("accounts", "create", "--role", "operator", "olga").strip()
    people = [sign_up(url, f"person{number}") for number in range(PEOPLE)]
    for person in people:
        grant = {"user_id": person.id, "amount": GIVEN, "colour": "paid", "reason": "storm"}
        Client(url, key).post("/api/tokens/grants/", grant)
        person.given = GIVEN + WELCOME
    crowd = Crowd(stage.public, people, record, seed)
    artists = people[:ARTISTS]
    for artist in artists:
        body = {"artist_name": artist.name, "verified_email": f"{artist.name}@example.org"}
        Client(url, artist.key).post("/api/users/me/upgrade-to-artist/", body, status=200)
    files = [("training_images", (f"{n}.png", picture(n), "image/png")) for n in range(10)]
    for number in range(STYLES + jobs // TRAININGS):
        artist = artists[number % ARTISTS]
        client = Client(url, artist.key)
        form = {"name": f"style {number}", "generation_cost_tokens": str(PRICE)}
        style = client.post("/api/styles/", files=files, data=form)["id"]
        if number >= STYLES:
            crowd.drafts.append((artist, style))
            continue
        client.post(f"/api/styles/{style}/train/", {"epochs": 4}, status=200)
        crowd.styles.append(style)
    for style in list(crowd.styles):
        _await_training(stage, artists, style)
    return People(people, crowd)


def _await_training(stage: Stage, artists: list[Person], style: str) -> None:
    """Wait for a style of before the storm; it counts as spent where it was paid for."""
    for artist in artists:
        client = Client(stage.direct, artist.key)
        found = client.send("GET", f"/api/styles/{style}/progress/")
        if found.status_code == 200:
            path = f"/api/styles/{style}/progress/"
            ended = {"completed", "failed"}
            if client.wait(path, "training_status", ended, 120)["training_status"] != "completed":
                raise RuntimeError("a style of before the storm was not trained")
            artist.given -= 100


def _watch(report: Report, killer: Killer, threads: list[Thread], tell: Tell) -> None:
    while any(thread.is_alive() for thread in threads):
        time.sleep(5)
        done = len(report.record.of("generation", "training"))
        tell(f"{done} jobs acknowledged, {sum(killer.counts.values())} deeds done")


def _settle(stage: Stage, record: Record, tell: Tell) -> None:
    until = time.monotonic() + SETTLE_SECONDS
    while (left := open_jobs(stage, record)) and time.monotonic() < until:
        tell(f"{left} jobs are open")
        time.sleep(2)
    time.sleep(10)  # for late repetitions, and for the projections
