"""Three RabbitMQ nodes: whichever one ends, messages go on and none is lost (G8)."""

import subprocess
import sys

import pytest

from demo.rabbitmq_nodes import is_installed
from demo.system import REPOSITORY

pytestmark = [
    pytest.mark.rabbitmq,
    pytest.mark.slow,
    pytest.mark.skipif(not is_installed(), reason="rabbitmq-server is not installed"),
]
PAGE = REPOSITORY / "docs" / "how-to" / "rabbitmq-cluster.md"
COMMAND = "python -m demo.cluster"


def test_the_pages_command_ends_each_node_and_nothing_is_lost() -> None:
    assert f"$ {COMMAND}\n" in PAGE.read_text()

    done = subprocess.run(
        [sys.executable, *COMMAND.split()[1:]],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("was away") == 3
    assert "350 of 350 confirmed messages were delivered" in done.stdout
