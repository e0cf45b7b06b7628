"""From an artist's pictures to a paid picture, over HTTP, by the reference worker (section 9)."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from consumers.embedded import EmbeddedBroker
from consumers.relay import Relay
from consumers.topology import TOPOLOGY
from core.keys import issue
from core.models import Role, User
from core.workers import create_worker
from projections.follow import catch_up
from tests.callers import Caller
from tests.databases import Database
from tests.jobs import announced, balance, give, granted
from tests.object_stores import web_server
from tests.pictures import picture

WORKER_SECONDS = 120
IMAGES = 10


@pytest.fixture
def web_url(database: Database, settings: Settings) -> Iterator[str]:
    """Run the real server on this test's database; links and callbacks point to it."""
    with web_server() as url:
        settings.PUBLIC_URL = url
        yield url


@pytest.fixture
def publish(web_url: str) -> Callable[[], None]:
    """Return what publishes every task that was committed, to the embedded queue."""
    broker = EmbeddedBroker()
    broker.declare(TOPOLOGY)
    relay = Relay(broker)

    def publish_all() -> None:
        while relay.round():
            pass

    return publish_all


@pytest.fixture
def work_once(web_url: str, tmp_path: Path) -> Callable[[], None]:
    """Return what lets the reference worker take one task and end it."""
    worker, secret = create_worker("painter")

    def run() -> None:
        ended = subprocess.run(
            [
                *(sys.executable, "-m", "consumers.worker", "--once", "--url", web_url),
                *("--worker-id", str(worker.id), "--state-dir", str(tmp_path)),
            ],
            env={"WORKER_SECRET": secret, "PYTHONPATH": "."},
            capture_output=True,
            text=True,
            timeout=WORKER_SECONDS,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr

    return run


def account(name: str, role: str) -> Caller:
    user = User.objects.create(username=name, email=f"{name}@example.org", role=role)
    give(granted(user.id, 200))
    return Caller(user, issue(user)[1])


def drafted_style(artist: Caller) -> str:
    """Draft a style with its pictures in one form."""
    files = [SimpleUploadedFile(f"{number}.png", picture(number)) for number in range(IMAGES)]
    response = Client().post(
        "/api/styles/",
        {"name": "Gradients", "training_images": files},
        headers={"Authorization": f"Bearer {artist.key}"},
    )
    assert response.status_code == 201, response.content
    return str(response.json()["id"])


def test_pictures_become_a_style_and_a_prompt_a_paid_picture(
    publish: Callable[[], None], work_once: Callable[[], None]
) -> None:
    """G5, G6, G8: and a prompt that the worker refuses costs nothing."""
    artist, user = account("ada", Role.ARTIST), account("ann", Role.USER)
    style = drafted_style(artist)
    trained = artist("POST", f"/api/styles/{style}/train/", {}, headers={"Idempotency-Key": "t"})
    assert trained.status_code == 200, trained.content
    publish()
    work_once()
    catch_up()
    assert artist("GET", f"/api/styles/{style}/").json()["training_status"] == "completed"
    assert balance(artist.user.id) == (100, 0)

    done = ordered(user, style, "a fox in the snow", publish, work_once)

    result = done["result"]
    fetched = requests.get(result["url"], timeout=10)
    assert fetched.headers["Content-Type"] == "image/png"
    assert announced(fetched.content) == {name: result[name] for name in announced(b"")}
    assert (done["status"], done["billing"]["state"]) == ("completed", "captured")
    assert balance(user.user.id) == (100, 0)

    refused = ordered(user, style, "a naked swastika", publish, work_once)
    assert (refused["status"], refused["error"]["code"]) == ("failed", "moderation")
    assert refused["billing"]["state"] == "released"
    assert balance(user.user.id) == (100, 0)


def ordered(
    user: Caller,
    style: str,
    prompt: str,
    publish: Callable[[], None],
    work_once: Callable[[], None],
) -> dict[str, Any]:
    """Order a picture, let it be made, and return how it ended."""
    body = {"style_id": style, "prompt": prompt, "parameters": {"seed": 7}}
    response = user(
        "POST", "/api/generations/", body, headers={"Idempotency-Key": prompt.replace(" ", "-")}
    )
    assert response.status_code == 201, response.content
    publish()
    work_once()
    ended: dict[str, Any] = user("GET", response.json()["links"]["self"]).json()
    return ended
