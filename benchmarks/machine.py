"""What a figure was measured on: machine, versions, settings."""

import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from benchmarks.effort import Effort


def described(server_settings: Mapping[str, str], effort: Effort) -> str:
    """Return the lines that stand above every table."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("Django", "psycopg2-binary"))
    settings = ", ".join(f"{name}={value}" for name, value in server_settings.items())
    return (
        f"machine: {cpu()}, {os.cpu_count()} cores, {memory_gib():.0f} GiB, {platform.platform()}\n"
        f"versions: Python {platform.python_version()}, {packages}\n"
        f"PostgreSQL: {settings}\n"
        f"load average at the start: {os.getloadavg()[0]:.1f}; "
        f"{effort.pairs} pairs of {effort.seconds} s"
    )


def cpu() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def memory_gib() -> float:
    """Return the machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
