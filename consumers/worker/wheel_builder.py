"""Builds the wheel of the kit (PEP 517) from pyproject.toml beside it; pip calls it.

The same files give the same bytes: names are sorted and the time of every file is 1980.
"""

import base64
import hashlib
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

KIT = Path(__file__).resolve().parent
PACKAGE = KIT.parent
REPOSITORY = PACKAGE.parent
TAG = "py3-none-any"


def build_wheel(
    wheel_directory: str,
    config_settings: Mapping[str, Any] | None = None,
    metadata_directory: str | None = None,
) -> str:
    """Write the wheel into a folder and return its name."""
    settings = tomllib.loads((KIT / "pyproject.toml").read_text())
    project = settings["project"]
    stem = f"{project['name'].replace('-', '_')}-{project['version']}"
    files = dict(sorted(_files(settings["tool"]["wheel-builder"]["modules"])))
    about = f"{stem}.dist-info"
    files |= {
        f"{about}/METADATA": _metadata(project).encode(),
        f"{about}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {TAG}\n".encode(),
        f"{about}/entry_points.txt": _scripts(project["scripts"]).encode(),
        f"{about}/licenses/LICENSE": (REPOSITORY / "LICENSE").read_bytes(),
    }
    files[f"{about}/RECORD"] = _record(files, f"{about}/RECORD").encode()
    name = f"{stem}-{TAG}.whl"
    with zipfile.ZipFile(Path(wheel_directory, name), "w", zipfile.ZIP_DEFLATED) as wheel:
        for path, content in files.items():
            entry = zipfile.ZipInfo(path)
            entry.external_attr = 0o644 << 16
            wheel.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return name


def _files(modules: list[str]) -> Iterator[tuple[str, bytes]]:
    for source in [*(PACKAGE / f"{name}.py" for name in modules), *KIT.rglob("*.py")]:
        if source != Path(__file__).resolve():
            yield source.relative_to(REPOSITORY).as_posix(), source.read_bytes()


def _metadata(project: Mapping[str, Any]) -> str:
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {project['name']}",
        f"Version: {project['version']}",
        f"Summary: {project['description']}",
        f"Requires-Python: {project['requires-python']}",
        f"License-Expression: {project['license']}",
        "License-File: LICENSE",
        *(f"Requires-Dist: {needed}" for needed in project["dependencies"]),
    ]
    for extra, needs in project["optional-dependencies"].items():
        lines.append(f"Provides-Extra: {extra}")
        lines += [f"Requires-Dist: {needed}; extra == '{extra}'" for needed in needs]
    lines += ["Description-Content-Type: text/markdown", ""]
    guide = (REPOSITORY / "docs" / "how-to" / "write-a-worker.md").read_text()
    return "\n".join([*lines, guide])


def _scripts(scripts: Mapping[str, str]) -> str:
    named = "\n".join(f"{name} = {target}" for name, target in scripts.items())
    return f"[console_scripts]\n{named}\n"


def _record(files: Mapping[str, bytes], itself: str) -> str:
    def line(path: str, content: bytes) -> str:
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
        return f"{path},sha256={digest.decode()},{len(content)}"

    return "\n".join([*(line(path, content) for path, content in files.items()), f"{itself},,\n"])
