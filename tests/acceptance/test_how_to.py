"""The program of docs/how-to/call-the-api.md is run as it stands against the running system."""

import os
import re
import subprocess
import sys
from pathlib import Path

from demo.system import REPOSITORY, System, free_port

PAGE = REPOSITORY / "docs" / "how-to" / "call-the-api.md"


def test_the_program_prints_what_the_page_says(tmp_path: Path) -> None:
    page = PAGE.read_text()
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (printed,) = re.findall(r"```\n(.*?)```", page.partition("It prints:")[2], re.DOTALL)
    with System(tmp_path, port=free_port()) as system:
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"LEDGER_URL": system.url},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert (done.stderr, done.stdout) == ("", printed)
