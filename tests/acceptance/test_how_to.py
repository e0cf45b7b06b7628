"""The programs of docs/how-to are run as they stand against the running system."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from demo.system import REPOSITORY, System, free_port

PAGES = REPOSITORY / "docs" / "how-to"


@pytest.mark.parametrize(
    "name", ["call-the-api", pytest.param("send-commands", marks=pytest.mark.rabbitmq)]
)
def test_the_program_prints_what_the_page_says(tmp_path: Path, name: str) -> None:
    page = (PAGES / f"{name}.md").read_text()
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (printed,) = re.findall(r"```\n(.*?)```", page.partition("It prints:")[2], re.DOTALL)
    with System(tmp_path, port=free_port()) as system:
        prefix = system.environment["QUEUE_PREFIX"]
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"LEDGER_URL": system.url, "QUEUE_PREFIX": prefix},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    assert (done.stderr, done.stdout) == ("", printed)
