"""Running the programs of an embedded PostgreSQL, as the account that may run a server."""

import os
import pwd
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ACCOUNTS = ("postgres", "nobody")
TIMEOUT_SECONDS = 30


class EmbeddedPostgresError(RuntimeError):
    """The embedded PostgreSQL cannot be used."""


@dataclass(frozen=True)
class Account:
    """The operating system's user that runs the server when we are root."""

    name: str
    uid: int
    gid: int


def server_account() -> Account | None:
    """Return who shall run the server in place of root; None when we are not root."""
    if os.geteuid() != 0:
        return None
    for name in ACCOUNTS:
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, found.pw_uid, found.pw_gid)
    raise EmbeddedPostgresError(
        f"PostgreSQL does not run as root, and there is no user {' or '.join(ACCOUNTS)}."
    )


def run(
    command: Sequence[str | Path],
    *,
    account: Account | None,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> str:
    """Run `command` as `account` (None: as ourselves) and return what it printed.

    Its environment is empty but for PATH and the locale: no PG* variable of ours misleads it, and
    a server that it leaves behind keeps no secret of ours. Raises EmbeddedPostgresError.
    """
    with tempfile.TemporaryFile() as output:  # a pipe would wait for the server's own end
        try:
            subprocess.run(  # noqa: S603  # programs of a PostgreSQL that we found ourselves
                [str(word) for word in command],
                check=True,
                cwd="/",
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=timeout_seconds,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )
        except (OSError, subprocess.SubprocessError) as error:
            output.seek(0)
            text = output.read().decode(errors="replace").strip()
            raise EmbeddedPostgresError(f"{error} {text}".strip()) from error
        output.seek(0)
        return output.read().decode(errors="replace")


def can(account: Account | None, what: str, path: Path) -> bool:
    """Return whether `account` passes the shell's test `what` ("-x", "-w") on `path`."""
    try:
        run(["/bin/sh", "-c", 'test "$0" "$1"', what, path], account=account)
    except EmbeddedPostgresError:
        return False
    return True
