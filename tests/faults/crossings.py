"""The boundaries that a kill can come before or after, and how a process is killed at one.

Nothing in the product knows of them: they are laid around its functions in the process that dies.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from django.db import connections

from consumers import checkpoints, results
from consumers.worker.desk import Desk
from consumers.worker.outbox import Outbox
from core import queue
from core.storage.local import LocalStore
from ledger import callbacks, handlers
from projections import follow

LONGEST_SECONDS = 20

# What each one makes lasting, or tells somebody.
BOUNDARIES: dict[str, tuple[tuple[Any, str], ...]] = {
    "commit": ((handlers, "append"),),
    "projection": ((follow, "advance"),),
    "publish": ((queue, "publish"),),
    "checkpoint": ((checkpoints, "move"),),
    "take": ((queue, "take"),),
    "acknowledge": ((queue, "ack"),),
    "callback": ((callbacks, "receive"), (results, "receive")),
    "lease": ((callbacks, "renew"),),
    "upload": ((LocalStore, "put"),),
    "keep": ((LocalStore, "keep"),),
    "claim": ((Desk, "bind"),),
    "outbox": ((Outbox, "put"),),
    "forget": ((Outbox, "clear"),),
}


@contextmanager
def crossings(kill_at: int | None = None) -> Iterator[list[str]]:
    """Yield what is crossed meanwhile, in order; die by SIGKILL at the one that is numbered."""
    crossed: list[str] = []

    def cross(name: str) -> None:
        crossed.append(name)
        if len(crossed) - 1 == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    with ExitStack() as stack:
        for name, places in BOUNDARIES.items():
            for owner, attribute in places:
                around = _around(name, getattr(owner, attribute), cross)
                stack.enter_context(patch.object(owner, attribute, around))
        yield crossed


def _around(
    name: str, whole: Callable[..., Any], cross: Callable[[str], None]
) -> Callable[..., Any]:
    def stand_in(*given: Any, **named: Any) -> Any:
        cross(f"before {name}")
        answer = whole(*given, **named)
        cross(f"after {name}")
        return answer

    return stand_in


def dies(act: Callable[[], object], kill_at: int) -> bool:
    """Do `act` in a process of its own and return whether it was killed at that crossing."""
    connections.close_all()  # no process goes on with another one's connection
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(LONGEST_SECONDS)
            with crossings(kill_at):
                act()
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
