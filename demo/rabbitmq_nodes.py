"""RabbitMQ nodes of one's own, to be stopped, killed, started again and clustered.

Each has its data, log and ports in a folder of its own; together they have one name server.
"""

import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from demo.system import free_port

PLACES = ("/usr/lib/rabbitmq/bin", "/usr/local/sbin", "/opt/homebrew/sbin")
START_SECONDS = 90.0
STOP_SECONDS = 30.0
COMMAND_SECONDS = 60.0
CONFIGURATION = (
    "disk_free_limit.absolute = 1MB",
    "loopback_users = none",
    "log.console.level = warning",
)


class NodeFailed(Exception):
    """A node did not start, or a command to it failed."""


def program(name: str) -> str | None:
    """Return the path of one of RabbitMQ's own programs, None where it is not installed.

    Debian's wrappers in /usr/sbin would switch to another account and to its data.
    """
    places = [place for place in PLACES if Path(place, name).exists()]
    return str(Path(places[0], name)) if places else shutil.which(name)


def is_installed() -> bool:
    """Return whether nodes can be started on this machine."""
    return program("rabbitmq-server") is not None


@dataclass
class Node:
    """One node; `start` begins it, also again after `stop` or `kill`: its queues are kept."""

    name: str
    folder: Path
    settings: Mapping[str, str]
    first: str = ""  # the node whose cluster it joins at its first start
    amqp_port: int = field(default_factory=free_port)
    distribution_port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Return its AMQP URL."""
        return f"amqp://guest:guest@127.0.0.1:{self.amqp_port}/"

    @property
    def log(self) -> Path:
        return self.folder / "output.log"

    @property
    def environment(self) -> dict[str, str]:
        """The variables under which its programs run."""
        return os.environ | {
            **self.settings,
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.amqp_port),
            "RABBITMQ_DIST_PORT": str(self.distribution_port),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "none"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
        }

    def joins(self) -> list[str]:
        """Return the lines that let it join the first node's cluster."""
        if not self.first:
            return []
        return [
            "cluster_formation.peer_discovery_backend = classic_config",
            f"cluster_formation.classic_config.nodes.1 = {self.first}",
            f"cluster_formation.classic_config.nodes.2 = {self.name}",
            "cluster_formation.randomized_startup_delay_range.min = 0",
            "cluster_formation.randomized_startup_delay_range.max = 1",
        ]

    def start(self) -> None:
        """Start it and wait until it takes connections; raises NodeFailed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "plugins").write_text("[].\n")
        (self.folder / "rabbitmq.conf").write_text("\n".join([*CONFIGURATION, *self.joins(), ""]))
        server = program("rabbitmq-server")
        if server is None:
            raise NodeFailed("rabbitmq-server is not installed")
        until = time.monotonic() + START_SECONDS
        while True:
            if self._comes_up(self._launch(server), until):
                return
            if time.monotonic() > until:
                tail = self.log.read_text(errors="replace")[-3_000:]
                raise NodeFailed(f"{self.name} does not start:\n{tail}")
            time.sleep(0.5)  # the name of a killed node is given back after a moment

    def stop(self) -> None:
        """Let it end in order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it and its helpers on the spot."""
        self._end(signal.SIGKILL)

    def control(self, *arguments: str, tool: str = "rabbitmqctl") -> str:
        """Run a tool of RabbitMQ on it and return what it says; raises NodeFailed."""
        done = subprocess.run(
            [str(program(tool)), "--quiet", *arguments],
            env=self.environment, capture_output=True, text=True, timeout=COMMAND_SECONDS,
            check=False,
        )  # fmt: skip
        if done.returncode:
            raise NodeFailed(f"{self.name}: {' '.join(arguments)}: {done.stderr or done.stdout}")
        return done.stdout

    def _launch(self, server: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [server], env=self.environment, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        return self._process

    def _comes_up(self, process: subprocess.Popen[bytes], until: float) -> bool:
        """Wait until it is up; False where its process has ended or the time is over."""
        while process.poll() is None and time.monotonic() < until:
            with suppress(NodeFailed, subprocess.TimeoutExpired):
                self.control("await_startup", "--timeout", "10")
                return True
            time.sleep(0.2)
        return False

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class Nodes:
    """A cluster of so many nodes on this machine; a context manager."""

    def __init__(self, folder: Path, count: int = 1) -> None:
        self._folder, self._names_port = folder, free_port()
        self._names: subprocess.Popen[bytes] | None = None
        tag = secrets.token_hex(3)
        self._settings = {
            "ERL_EPMD_PORT": str(self._names_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1",
            "HOME": str(folder),
        }
        first = f"rabbit{tag}0@localhost"
        self.nodes = [
            Node(
                f"rabbit{tag}{number}@localhost", folder / f"node{number}", self._settings,
                first if number else "",
            )
            for number in range(count)
        ]  # fmt: skip

    def __enter__(self) -> "Nodes":
        self._folder.mkdir(parents=True, exist_ok=True)
        cookie = self._folder / ".erlang.cookie"
        cookie.touch(0o600)
        cookie.write_text(secrets.token_hex(16))
        self._names = self._start_names()
        try:
            for together in (self.nodes[:1], self.nodes[1:]):
                with ThreadPoolExecutor(max(1, len(together))) as pool:
                    list(pool.map(Node.start, together))
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def urls(self) -> str:
        """Return the URLs of all, joined by commas."""
        return ",".join(node.url for node in self.nodes)

    def close(self) -> None:
        """Kill what runs, and the name server."""
        for node in self.nodes:
            node.kill()
        if self._names:
            self._names.kill()
            self._names.wait()

    def _start_names(self) -> subprocess.Popen[bytes] | None:
        """Start the name server; a node would start one that nobody ends."""
        epmd = shutil.which("epmd")
        if epmd is None:
            return None
        return subprocess.Popen(
            [epmd, "-port", str(self._names_port), "-address", "127.0.0.1"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
