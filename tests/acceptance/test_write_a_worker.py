"""docs/how-to/write-a-worker.md, followed line by line against the real server (section 9)."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from uuid import UUID

import pytest
from django.core.management import call_command

from core.models import Role
from projections.follow import catch_up
from tests.acceptance.test_main_job import account, publish, web_url
from tests.jobs import (
    Worker,
    announced,
    balance,
    drafted,
    give,
    granted,
    model,
    order_picture,
    state_of,
    training_of,
)

__all__ = ["publish", "web_url"]
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "write-a-worker.md").read_text()
COMMANDS = re.findall(r"^\$ (.*)$", PAGE, re.MULTILINE)


def command(start: str) -> list[str]:
    """Return the words of the page's command that begins so."""
    (found,) = [line for line in COMMANDS if line.startswith(start)]
    return found.split()


def trained(artist: UUID) -> UUID:
    """Train a style whose model is in the store; return its id."""
    style_id, drafting = drafted(artist)
    request = training_of(style_id, artist)
    give(*drafting, granted(artist, 100), request)
    worker = Worker("training", request.task_id)
    worker.tell("started")
    worker.upload(model())
    done = announced(model(), "application/octet-stream")
    assert worker.tell("complete", done).disposition == "applied"
    return style_id


def run(
    words: list[str], url: str, *, folder: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command of the page in a shell's environment, on this server."""
    program = {"python": [sys.executable], "pip": [sys.executable, "-m", "pip"]}[words[0]]
    arguments = [word.replace("http://127.0.0.1:8000", url) for word in words[1:]]
    return subprocess.run(
        [*program, *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_who_follows_the_page_paints_a_paid_picture(
    web_url: str, publish: Callable[[], None], tmp_path: Path
) -> None:
    kit = tmp_path / "kit"
    offline = {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_TARGET": str(kit)}
    installed = run(command("pip "), web_url, folder=ROOT, **offline)
    assert installed.returncode == 0, installed.stderr
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "my_worker.py").write_text(code)
    shown = StringIO()
    call_command(*command("python manage.py")[2:], stdout=shown, stderr=StringIO())
    environment = dict(line.split("=", 1) for line in shown.getvalue().splitlines())
    assert set(environment) == {"WORKER_ID", "WORKER_SECRET"}
    environment |= {"PYTHONPATH": str(kit)}

    artist, user = account("ada", Role.ARTIST), account("ann", Role.USER)
    order = order_picture(user.user.id, trained(artist.user.id))
    give(order)
    publish()
    done = run(command("python my_worker.py"), web_url, folder=tmp_path, **environment)
    assert done.returncode == 0, done.stderr
    catch_up()
    assert state_of(f"generation-{order.generation_id}").job.is_terminal
    shown_job = user("GET", f"/api/generations/{order.generation_id}/").json()
    assert (shown_job["status"], shown_job["billing"]["state"]) == ("completed", "captured")
    assert balance(user.user.id) == (100, 0)

    checked = run(
        command("python -m consumers.worker check"), web_url, folder=tmp_path, **environment
    )
    (block,) = re.findall(r"check --url \S+\n(.*?)```", PAGE, re.DOTALL)
    printed = checked.stdout.splitlines()
    assert [line for line in block.splitlines() if line != "..."] == [*printed[:2], printed[-1]]


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_of_the_page_is_run_here(line: str) -> None:
    starts = ("pip ", "python manage.py", "python my_worker.py", "python -m consumers.worker check")
    assert len([start for start in starts if line.startswith(start)]) == 1
