"""The commands of docs/how-to/operate.md do what the page says."""

import re
import shlex
import subprocess
import sys

from django.conf import LazySettings

from consumers.broker import DEAD_REASON, Message
from consumers.connect import connect
from consumers.topology import RESULTS, TOPOLOGY
from core.models import Role, User
from demo.system import REPOSITORY
from tests.databases import Database

PAGE = REPOSITORY / "docs" / "how-to" / "operate.md"
CHANGES = {
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d": "TIME", r"\d+ s$": "AGE", r"at \d+-\d+\.$": "POSITION"
}  # fmt: skip


def without_changes(text: str) -> str:
    for pattern, name in CHANGES.items():
        text = re.sub(pattern, name, text, flags=re.MULTILINE)
    return text


def bury_letters() -> None:
    """Make the operator and the dead letters of the page."""
    User.objects.create(username="olga", email="olga@example.org", role=Role.OPERATOR)
    broker = connect()
    broker.declare(TOPOLOGY)
    for name, reason in (("cb-1", "malformed_json"), ("cb-2", "forged")):
        headers = {DEAD_REASON: reason}
        letter = Message(id=name, type="generation.complete", body=b"{}", headers=headers)
        broker.publish(RESULTS + ".dead", letter)


def test_the_commands_print_what_the_page_says(database: Database, settings: LazySettings) -> None:
    settings.AMQP_URL = ""
    bury_letters()
    blocks = re.findall(r"```console\n(.*?)```", PAGE.read_text(), re.DOTALL)
    steps = [step for block in blocks for step in block.split("$ ")[1:]]
    assert len(steps) == 8
    for step in steps:
        line, _, wanted = step.partition("\n")
        done = subprocess.run(
            [sys.executable, *shlex.split(line)[1:]],
            cwd=REPOSITORY, env=database.env | {"AMQP_URL": ""}, capture_output=True, text=True,
            timeout=60, check=True,
        )  # fmt: skip
        assert without_changes(done.stdout) == without_changes(wanted)
