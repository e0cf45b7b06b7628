"""`ledger statement`: each movement of an account or a user, with the balance after it."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import OutputWrapper
from django.db import connection

from audit.accounts import accounts_of
from audit.errors import UsageError

HELP = "print the movements of an account or a user, newest last"
DEFAULT_LIMIT = 100
MAX_LIMIT = 10_000

# Shards have no common order: the clock orders what is shown, and decides nothing.
_STATEMENT = """
select recorded_at, shard, position, type, account, colour, amount, balance from (
    select e.recorded_at, shard, position, line, e.type, account, colour, amount,
        sum(amount) over (
            partition by account, colour order by e.recorded_at, shard, position, line
        )::bigint as balance
    from entry join event as e using (shard, position)
    where account = any(%s)
    order by e.recorded_at desc, shard desc, position desc, line desc limit %s
) as newest
order by recorded_at, shard, position, line
"""
_FIELDS = ("recorded_at", "position", "type", "account", "colour", "amount", "balance")


def add_arguments(parser: ArgumentParser) -> None:
    """Take whose statement, and how much of it."""
    parser.add_argument("account", metavar="ACCOUNT|USER", help="an account, a user's id or name")
    parser.add_argument(
        "--limit", type=int, default=DEFAULT_LIMIT, help=f"newest lines, up to {MAX_LIMIT:,}"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")


def run(options: dict[str, Any], stdout: OutputWrapper) -> bool:
    """Print the statement."""
    limit = options["limit"]
    if not 1 <= limit <= MAX_LIMIT:
        raise UsageError(f"--limit is 1 to {MAX_LIMIT}.")
    lines = statement(accounts_of(options["account"]), limit)
    show = json.dumps if options["json"] else _text
    stdout.write("\n".join(map(show, lines)) or "No entry.")
    return True


def statement(accounts: list[str], limit: int) -> list[dict[str, Any]]:
    """Return the newest `limit` entries of `accounts`, oldest first, each with what it left.

    The balance is of that account and colour, in tokens.
    """
    with connection.cursor() as cursor:
        cursor.execute(_STATEMENT, [accounts, limit])
        rows = cursor.fetchall()
    return [
        dict(zip(_FIELDS, (f"{at:%Y-%m-%dT%H:%M:%S.%fZ}", f"{shard}-{number}", *rest), strict=True))
        for at, shard, number, *rest in rows
    ]


def _text(line: dict[str, Any]) -> str:
    return (
        f"{line['recorded_at'][:19]}  {line['position']:<12} {line['type']:<20}"
        f" {line['account']:<52} {line['colour']:<16} {line['amount']:>+15,} {line['balance']:>17,}"
    )
