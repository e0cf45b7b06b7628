"""Files that are there whole or not at all, also after a power cut; for the owner's eyes only."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FRESH = ".new"


def write_whole(path: Path, content: bytes) -> None:
    """Write the file; when this returns, it and its name are on disk. Raises OSError."""
    fresh = path.with_name(path.name + FRESH)
    private = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(private, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_object(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object as `write_whole` does."""
    write_whole(path, json.dumps(content).encode())


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object of a file; empty if there is none or it is damaged."""
    try:
        given = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return given if isinstance(given, dict) else {}
