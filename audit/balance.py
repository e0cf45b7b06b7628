"""`ledger balance`: what an account or a user has, or had at a time, summed from the entries."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import OutputWrapper
from django.db import connection, transaction

from audit.accounts import accounts_of
from audit.bounds import Bounds, parse_time, up_to_time
from ledger.book import read
from ledger.domain import money
from ledger.fold import Balances

HELP = "print the balances of an account or a user; exit 1 if what is served differs"

_SUM = """
select account, colour, sum(amount)::bigint from entry
join unnest(%s::smallint[], %s::bigint[]) as bound (shard, last) using (shard)
where account = any(%s) and position <= last
group by account, colour order by account, colour
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Take whose balance, and when."""
    parser.add_argument("account", metavar="ACCOUNT|USER", help="an account, a user's id or name")
    parser.add_argument("--at", metavar="TIME", help="as it was at TIME (ISO 8601)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: dict[str, Any], stdout: OutputWrapper) -> bool:
    """Print the balances; return whether the guarded ones are served as their entries sum."""
    accounts = accounts_of(options["account"])
    at = options["at"] and parse_time(options["at"])
    if at:
        summed, served = entry_sums(accounts, up_to_time(read.heads(), at)), None
    else:
        summed, served = _present(accounts)
    wrong = [] if served is None else _wrong(summed, served)
    stdout.write(_json(summed, wrong) if options["json"] else _text(summed, wrong))
    return not wrong


def entry_sums(accounts: list[str], bounds: Bounds) -> Balances:
    """Return the sums of the entries of `accounts` up to `bounds`, by account and colour."""
    with connection.cursor() as cursor:
        cursor.execute(_SUM, [list(bounds), list(bounds.values()), accounts])
        return {(account, colour): amount for account, colour, amount in cursor.fetchall()}


def _present(accounts: list[str]) -> tuple[Balances, Balances]:
    """Return the sums of the entries and the served balances, of one moment."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("set transaction isolation level repeatable read, read only")
        bounds = {shard: head.position for shard, head in read.heads().items()}
        summed = entry_sums(accounts, bounds)
        cursor.execute(
            "select account, colour, amount from balance where account = any(%s)", [accounts]
        )
        return summed, {(account, colour): amount for account, colour, amount in cursor.fetchall()}


def _wrong(summed: Balances, served: Balances) -> list[str]:
    """Return a sentence for each guarded balance that is not the sum of its entries (I13)."""
    return [
        f"{account} {colour} is served as {served.get((account, colour), 0)}"
        for account, colour in sorted(summed.keys() | served.keys())
        if money.is_guarded(account)
        and served.get((account, colour), 0) != summed.get((account, colour), 0)
    ]


def _json(summed: Balances, wrong: list[str]) -> str:
    balances: dict[str, dict[str, int]] = {}
    for (account, colour), amount in summed.items():
        balances.setdefault(account, {})[colour] = amount
    return json.dumps({"equal": not wrong, "balances": balances, "differences": wrong})


def _text(summed: Balances, wrong: list[str]) -> str:
    lines = [
        f"{account:<52} {colour:<16} {amount:>17,}" for (account, colour), amount in summed.items()
    ]
    lines += [f"Difference (I13): {sentence}." for sentence in wrong]
    return "\n".join(lines or ["No entry."])
