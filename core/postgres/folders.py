"""The folders of an embedded server: its home, its data and its socket, each where it can be."""

import logging
import os
import platform
import secrets
import shutil
import stat
import tempfile
from pathlib import Path

from core.postgres.binaries import Binaries
from core.postgres.processes import Account, EmbeddedPostgresError, can, run
from core.postgres.server import SOCKET_NAME, SUPERUSER, Server

INITDB_TIMEOUT_SECONDS = 120
SOCKET_LIMIT_BYTES = 100  # Linux takes 107, macOS 103
OUTSIDE_FOLDERS = ("/var/lib", "/var/tmp")  # noqa: S108  # mkdtemp draws the name below them
SHORT_FOLDERS = ("/tmp", "/var/tmp")  # noqa: S108  # likewise

log = logging.getLogger(__name__)


def new_server(state_dir: Path, account: Account | None) -> Server:
    """Return a server that does not exist yet: a home and two passwords."""
    home = make_home(state_dir, account)
    return Server(str(home), secrets.token_urlsafe(24), secrets.token_urlsafe(24))


def make_home(state_dir: Path, account: Account | None) -> Path:
    """Make the folder for data and log: in `state_dir`, else where `account` can reach it."""
    home = state_dir / "postgres"
    if list(home.glob("data-*")):
        raise EmbeddedPostgresError(
            f"{home} holds data, but {state_dir} has lost their password (postgres.json): "
            "bring the file back, or move the folder away."
        )
    home.mkdir(mode=0o700, exist_ok=True)
    if is_given(home, account):
        return home
    home.rmdir()
    for parent in OUTSIDE_FOLDERS:
        if Path(parent).is_dir():
            home = Path(tempfile.mkdtemp(prefix="token-ledger-", dir=parent))
            if is_given(home, account):
                warn_of_home(home, state_dir, account)
                return home
            home.rmdir()
    raise EmbeddedPostgresError(
        f"{account and account.name} can write neither in {state_dir} nor below "
        f"{' or '.join(OUTSIDE_FOLDERS)}: set STATE_DIR or DATABASE_URL."
    )


def warn_of_home(home: Path, state_dir: Path, account: Account | None) -> None:
    """Say where the data are when they are not in `state_dir`."""
    emptied = (
        " (emptied after 30 days on many systems)" if home.parts[:3] == ("/", "var", "tmp") else ""
    )
    name = account and account.name
    log.warning("%s cannot reach %s: the data are in %s%s", name, state_dir, home, emptied)


def is_given(folder: Path, account: Account | None) -> bool:
    """Give `folder` to `account` (None: it is ours) and return whether it can write in it."""
    if account is None:
        return True
    os.chown(folder, account.uid, account.gid)
    return can(account, "-w", folder)


def choose(candidates: list[Binaries], home: Path) -> Binaries:
    """Return the programs for the data in `home`; the first if there are none yet.

    Raises EmbeddedPostgresError when the data are of another version: never starts empty instead.
    """
    existing = {int(path.name.rpartition("-")[2]): path for path in home.glob("data-[0-9]*")}
    for binaries in candidates:
        if binaries.major in existing or not existing:
            return binaries
    made_by = max(existing)
    raise EmbeddedPostgresError(
        f"{existing[made_by]} was made by PostgreSQL {made_by}, and here is only "
        f"{candidates[0].major}: install that version again, or move the folder away."
    )


def ensure_data(server: Server, binaries: Binaries, account: Account | None) -> Path:
    """Return the data folder for `binaries`; a new one gets its name only when it is whole."""
    data = Path(server.home, f"data-{binaries.major}")
    if data.exists():
        return data
    draft, password = data.with_name("new"), data.with_name("password.new")
    shutil.rmtree(draft, ignore_errors=True)
    password.unlink(missing_ok=True)
    password.touch(mode=0o600)
    password.write_text(server.owner_password)
    is_given(password, account)
    command: list[str | Path] = [binaries.folder / "initdb", "--pgdata", draft]
    command += ["--username", SUPERUSER, "--pwfile", password, "--auth", "scram-sha-256"]
    command += ["--encoding", "UTF8", "--data-checksums", *locale_options(binaries.major)]
    try:
        run(command, account=account, timeout_seconds=INITDB_TIMEOUT_SECONDS)
    finally:
        password.unlink()
    return draft.rename(data)


def locale_options(major: int) -> list[str]:
    """Return initdb's options for UTF-8 in code point order, the same on every machine."""
    if major >= 17:
        return ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    if platform.system() == "Darwin":
        return ["--locale=C", "--lc-ctype=en_US.UTF-8"]
    return ["--locale=C.UTF-8"]


def ensure_socket_folder(known: str, account: Account | None) -> str:
    """Return a folder for the socket, short and ours alone; the known one if it is still so."""
    if known and is_private(Path(known), account):
        return known
    for parent in dict.fromkeys((tempfile.gettempdir(), *SHORT_FOLDERS)):
        if len(os.fsencode(f"{parent}/ledger-12345678/{SOCKET_NAME}")) > SOCKET_LIMIT_BYTES:
            continue
        folder = Path(tempfile.mkdtemp(prefix="ledger-", dir=parent))
        if is_given(folder, account):
            return str(folder)
        folder.rmdir()
    raise EmbeddedPostgresError("No temporary folder can hold the server's socket: set TMPDIR.")


def is_private(folder: Path, account: Account | None) -> bool:
    """Return whether `folder` is one that we made: nobody else's, and open to nobody else."""
    try:
        status = folder.lstat()
    except OSError:
        return False
    owner = os.geteuid() if account is None else account.uid
    return (
        stat.S_ISDIR(status.st_mode)
        and status.st_uid == owner
        and stat.S_IMODE(status.st_mode) == 0o700
    )
