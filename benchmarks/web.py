"""A web server for a bench: the Procfile's own line, on a free port, with settings of one's own."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.crowd import ROOT, CrowdFailed
from benchmarks.database import Database

START_TIMEOUT_SECONDS = 60
STOP_TIMEOUT_SECONDS = 20
POLL_SECONDS = 0.05


@contextmanager
def web(book: Database, *, settings: str) -> Iterator[int]:
    """Yield the port on which the server of the Procfile answers with these settings."""
    port = free_port()
    env = book.env | {
        "PORT": str(port),
        "DJANGO_SETTINGS_MODULE": settings,
        "LOG_LEVEL": "INFO",  # as in production: a line for each request
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    server = subprocess.Popen(
        ["sh", "-c", f"exec {web_line()}"],
        env=env,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until_open(port, server)
        yield port
    finally:
        server.terminate()
        try:
            server.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def web_line() -> str:
    """Return the command of the Procfile's `web`."""
    lines = (ROOT / "Procfile").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("web:")]
    return line.partition(":")[2].strip()


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_open(port: int, server: "subprocess.Popen[bytes]") -> None:
    """Return once somebody listens on `port`; raises CrowdFailed."""
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), POLL_SECONDS).close()
        except OSError:
            time.sleep(POLL_SECONDS)
        else:
            return
    raise CrowdFailed(f"The server does not listen: {server.args!r}.")
