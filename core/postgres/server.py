"""What is known of an embedded server: its record in STATE_DIR, and whether it lives."""

import json
import os
import socket
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

from core.postgres.processes import EmbeddedPostgresError

DATABASE = "ledger"
SUPERUSER = "postgres"
APPLICATION_USER = "ledger_app"
SOCKET_NAME = ".s.PGSQL.5432"
PROBE_TIMEOUT_SECONDS = 10
PROC = Path("/proc")
NO_SUCH_PROCESS = 2**31 - 1  # above every system's largest process number


@dataclass(frozen=True)
class Server:
    """One embedded server: `host` is the folder of its socket; "" is what it has not got yet."""

    home: str
    owner_password: str
    application_password: str
    data: str = ""
    binaries: str = ""
    host: str = ""

    def login(self, *, is_owner: bool) -> tuple[str, str]:
        """Return user and password of the superuser, or of the application."""
        if is_owner:
            return SUPERUSER, self.owner_password
        return APPLICATION_USER, self.application_password

    def url(self, *, name: str = DATABASE, is_owner: bool = False) -> str:
        """Return the URL of database `name`, as the superuser or as the application."""
        user, password = self.login(is_owner=is_owner)
        return f"postgres://{user}:{password}@/{name}?host={quote(self.host, safe='')}"

    @property
    def socket(self) -> Path:
        return Path(self.host, SOCKET_NAME)

    @property
    def pid_file(self) -> Path:
        return Path(self.data, "postmaster.pid")

    @property
    def log_file(self) -> Path:
        return Path(self.home, "postgres.log")

    def is_ready(self) -> bool:
        """Return whether the server listens and says that it is ready for sessions."""
        return bool(self.host) and self.listens() and self._pid_line(7) == "ready"

    def listens(self) -> bool:
        """Return whether somebody accepts a connection to the socket."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(PROBE_TIMEOUT_SECONDS)
            try:
                probe.connect(str(self.socket))
            except OSError:
                return False
            return True

    def is_alive(self) -> bool:
        """Return whether the process of the pid file is this server.

        Neither a zombie is, nor a stranger who was given the same number after a reboot.
        """
        pid = self._pid_line(0) if self.data else ""
        return pid.isdecimal() and self.data in command_line(int(pid))

    def forget_zombie(self) -> None:
        """Name nobody in the pid file if it names a zombie, which a new server takes for alive.

        Only that number changes: the file's other lines let a new server find out whether the old
        one's last sessions still use its memory. (In a container without an init process nobody
        ever buries the zombie.)
        """
        pid = self._pid_line(0)
        if pid.isdecimal() and is_zombie(int(pid)):
            lines = self.pid_file.read_text().splitlines(keepends=True)
            self.pid_file.write_text("".join([f"{NO_SUCH_PROCESS}\n", *lines[1:]]))

    def _pid_line(self, number: int) -> str:
        try:
            lines = self.pid_file.read_text().splitlines()
        except OSError:
            return ""
        return lines[number].strip() if number < len(lines) else ""


def command_line(pid: int) -> str:
    """Return the command line of a process; "" for a zombie, or when there is none."""
    if (PROC / "self").exists():
        try:
            return (PROC / str(pid) / "cmdline").read_text(errors="replace").replace("\0", " ")
        except OSError:
            return ""
    command = ["ps", "-ww", "-o", "command=", "-p", str(pid)]  # macOS
    return subprocess.run(  # noqa: S603  # fixed words and a number
        command, capture_output=True, text=True, check=False, timeout=PROBE_TIMEOUT_SECONDS
    ).stdout


def is_zombie(pid: int) -> bool:
    """Return whether a process has ended and was not buried by its parent (known on Linux)."""
    try:
        status = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] == "Z"


def record_path(state_dir: Path) -> Path:
    """Return where the record of the server of `state_dir` is."""
    return state_dir / "postgres.json"


def recorded(state_dir: Path) -> Server | None:
    """Return what is known of the server of `state_dir`, running or not."""
    path = record_path(state_dir)
    try:
        return Server(**json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise EmbeddedPostgresError(f"{path} belongs to another user of this machine.") from error
    except (TypeError, ValueError) as error:
        raise EmbeddedPostgresError(f"{path} is damaged: {error}") from error


def record(state_dir: Path, server: Server) -> None:
    """Keep `server` in `state_dir`, readable by us alone; never half written."""
    draft = state_dir / "postgres.json.new"
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(asdict(server), file)
        file.flush()
        os.fsync(descriptor)
    draft.rename(record_path(state_dir))
