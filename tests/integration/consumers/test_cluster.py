"""Three RabbitMQ nodes: whichever one ends, messages go on and none is lost (G8)."""

from pathlib import Path

import pytest

from demo.cluster import BETWEEN, end_each
from demo.rabbitmq_nodes import Nodes, is_installed

pytestmark = [
    pytest.mark.rabbitmq,
    pytest.mark.slow,
    pytest.mark.skipif(not is_installed(), reason="rabbitmq-server is not installed"),
]


def test_any_one_node_may_end_and_nothing_is_lost(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with Nodes(tmp_path / "nodes", 3) as nodes:
        count = end_each(nodes, lambda _: None)

    assert count.missing == set()
    assert len(count.confirmed) == BETWEEN * 7
