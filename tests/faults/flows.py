"""The flows of the system, act by act, and what a kill at each crossing of each act comes to.

`python -m tests.faults.flows` reads the name of a flow a line and answers with a line of JSON: it
has one thread and forks for every kill, which a test's own process must not.
"""

import json
import sys
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import django

django.setup()

from django.conf import settings  # noqa: E402 -- the parts need Django's settings

from core.ids import new_id  # noqa: E402
from ledger.terms import terms  # noqa: E402
from tests.faults.case import ACTS, Case, declare_queues  # noqa: E402
from tests.faults.crossings import crossings, dies  # noqa: E402
from tests.faults.signing import Signer  # noqa: E402
from tests.jobs import trained_style  # noqa: E402


class Flow(NamedTuple):
    """What has happened before, the acts in which somebody is killed, and what follows on them."""

    before: str
    acts: str
    after: str = ""
    settings: tuple[tuple[str, float], ...] = ()


BEGUN = "order publish begin"
SETTLED = "timers timers"  # a later pass goes on where an earlier one was killed
FLOWS: dict[str, Flow] = {
    "purchase": Flow("", "buy pay"),
    "purchase refunded": Flow("buy pay", "money_back"),
    "transfer": Flow("", "transfer"),
    "request": Flow("", "order publish"),
    "started": Flow("order publish", "begin"),
    "progress": Flow(BEGUN, "progress"),
    "complete": Flow(BEGUN, "finish"),
    "complete by queue": Flow(BEGUN, "report_by_queue take_report"),
    "found in the store": Flow(f"{BEGUN} upload", "timers", SETTLED),
    "failed and retried": Flow(BEGUN, "fail timers publish begin finish"),
    "lease ends": Flow(BEGUN, "timers", SETTLED),
    "deadline": Flow("order", "timers", SETTLED, (("GENERATION_START_SECONDS", 0.01),)),
    "cancel": Flow("order", "cancel"),
    "cancel while running": Flow(BEGUN, "cancel fail"),
    "late": Flow(f"{BEGUN} fail_for_good", "finish"),
    "accept late": Flow(f"{BEGUN} fail_for_good finish", "accept_late"),
    "order again": Flow(f"{BEGUN} fail_for_good", "order_again"),
    "refund": Flow(f"{BEGUN} finish", "refund"),
    "clearing": Flow(f"{BEGUN} finish", "timers", SETTLED),
    "claim": Flow(f"{BEGUN} finish timers", "claim"),
    "payout": Flow(f"{BEGUN} finish timers", "payout pay_out"),
    "payout returned": Flow(f"{BEGUN} finish timers payout", "pay_back"),
    "training": Flow("draft", "train publish begin progress finish"),
    "checkpoint": Flow("draft train publish begin", "checkpoint"),
}


class Stage:
    """What the cases of one process share: an artist with a trained style, a worker's secret."""

    def __init__(self) -> None:
        declare_queues()
        self.artist, self.signer = new_id(), Signer()
        self.style = trained_style(self.artist, price=100)
        self.case().put_away()

    def case(self) -> Case:
        """Return a new payer with nothing behind them."""
        return Case(self.artist, self.style, self.signer)

    def run(self, flow: Flow) -> dict[str, Any]:
        """Kill at every crossing of every act; return the crossings and what did not recover."""
        before, acts, after = flow.before.split(), flow.acts.split(), flow.after.split()
        wanted, crossed = self._undisturbed(before, acts, after)
        problems = []
        for number, name in enumerate(acts):
            for kill_at, crossing in enumerate(crossed[number]):
                case = self.case()
                do(case, [*before, *acts[:number]])
                if not dies(partial(ACTS[name], case), kill_at):
                    problems.append(f"{name}: nobody was killed {crossing} ({kill_at})")
                if (found := self._recovered(case, [*acts[number:], *after])) != wanted:
                    problems.append(f"{name}, killed {crossing} ({kill_at}): {found} not {wanted}")
        return {"crossed": dict(zip(acts, crossed, strict=True)), "problems": problems}

    def _recovered(self, case: Case, acts: list[str]) -> dict[str, Any]:
        """Return what comes of a case once these acts are done by whoever comes next."""
        try:
            do(case, acts)
            found = case.outcome()
            case.put_away()
        except Exception:
            return {"failed": traceback.format_exc()}
        return found

    def _undisturbed(
        self, before: list[str], acts: list[str], after: list[str]
    ) -> tuple[dict[str, Any], list[list[str]]]:
        case, crossed = self.case(), []
        do(case, before)
        for name in acts:
            with crossings() as found:
                ACTS[name](case)
            crossed.append(found)
        do(case, after)
        outcome = case.outcome()
        case.put_away()
        return outcome, crossed


def do(case: Case, names: list[str]) -> None:
    """Do these acts one after the other."""
    for name in names:
        ACTS[name](case)


def under(flow: Flow, run: Callable[[Flow], dict[str, Any]]) -> dict[str, Any]:
    """Run a flow under its own settings."""
    known = {name: getattr(settings, name) for name, _ in flow.settings}
    try:
        for name, value in flow.settings:
            setattr(settings, name, value)
        terms.cache_clear()
        return run(flow)
    finally:
        for name, value in known.items():
            setattr(settings, name, value)
        terms.cache_clear()


def main() -> None:
    """Answer for one flow after another, until nobody asks."""
    stage = Stage()
    for line in sys.stdin:
        answer = under(FLOWS[line.strip()], stage.run)
        sys.stdout.write(f"{json.dumps(answer)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
