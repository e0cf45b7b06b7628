"""The commands of docs/how-to/operate.md do what the page says."""

import re
import subprocess
import sys

from demo.system import REPOSITORY
from tests.databases import Database

PAGE = REPOSITORY / "docs" / "how-to" / "operate.md"


def without_times(text: str) -> str:
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME", text)


def test_the_commands_print_what_the_page_says(database: Database) -> None:
    blocks = re.findall(r"```console\n(.*?)```", PAGE.read_text(), re.DOTALL)
    steps = [step for block in blocks for step in block.split("$ ")[1:]]
    assert len(steps) == 4
    for step in steps:
        line, _, wanted = step.partition("\n")
        done = subprocess.run(
            [sys.executable, *line.split()[1:]],
            cwd=REPOSITORY, env=database.env, capture_output=True, text=True, timeout=60,
            check=True,
        )  # fmt: skip
        assert without_times(done.stdout) == without_times(wanted)
