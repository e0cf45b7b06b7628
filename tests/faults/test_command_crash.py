"""A process killed between any two steps of a command: nothing lost, nothing moved twice (G12)."""

import signal
import subprocess
import sys
from uuid import UUID

import pytest

from core.ids import new_id
from ledger.book.load import load
from ledger.book.read import shard_of
from ledger.domain.money import available
from tests.databases import Database

# Transfers 30 tokens under one key, and kills itself at the step that is named.
PROCESS = """
import os, signal, sys
from uuid import UUID
import django
django.setup()
from core.ids import new_id
from ledger import handlers
from ledger.domain.wallet import GrantTokens, TransferTokens
from ledger.orders import Context, Key, Order

ann, ben, step = UUID(sys.argv[1]), UUID(sys.argv[2]), sys.argv[3]

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def dies(name, when):
    whole = getattr(handlers, name)
    def stand_in(**arguments):
        if when == "before":
            die()
        answer = whole(**arguments)
        if when == "after":
            die()
        return answer
    setattr(handlers, name, stand_in)

if step == "grant":
    command = GrantTokens(grant_id=new_id(ann), user_id=ann, amount=100, colour="paid", reason="x")
    handlers.handle([Order(command, Context(actor="system"))])
    sys.exit()
if step != "none":
    dies(*step.split(":"))
command = TransferTokens(transfer_id=new_id(ann), user_id=ann, recipient_id=ben, amount=30)
key = Key(scope=f"user/{ann}", key="once", fingerprint="f")
(result,) = handlers.handle([Order(command, Context(actor=f"user/{ann}", key=key))])
print(type(result).__name__, getattr(result, "replayed", None))
"""


@pytest.mark.parametrize("step", ["load:before", "load:after", "append:before", "append:after"])
def test_a_command_killed_at_any_step_happens_once_when_it_is_sent_again(
    database: Database, step: str
) -> None:
    ann, ben = new_id(), new_id()

    def run(step: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", PROCESS, str(ann), str(ben), step],
            env=database.env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert run("grant").returncode == 0
    assert run(step).returncode == -signal.SIGKILL
    assert balances(ann) in ({"paid": 100}, {"paid": 70})

    again = run("none")

    has_committed = step == "append:after"
    assert again.stdout.split() == ["Accepted", str(has_committed)], again.stderr
    assert (balances(ann), balances(ben)) == ({"paid": 70}, {"paid": 30})


def balances(user: UUID) -> dict[str, int]:
    account = available(user)
    shard = shard_of(user)
    return load(shard=shard, keys=[], streams={}, accounts=[account]).balances.get(account, {})
