"""Virtual environments of the peers, made when first wanted and again when requirements change."""

import subprocess
import sys
import venv
from hashlib import sha256
from pathlib import Path

PEERS = Path(__file__).resolve().parent
INSTALL_TIMEOUT_SECONDS = 600


def python(peer: str) -> Path:
    """Return the Python of a peer, with exactly what its requirements.txt pins."""
    requirements = PEERS / peer / "requirements.txt"
    folder = PEERS / ".venv" / peer
    stamp = folder / "installed"
    digest = sha256(requirements.read_bytes()).hexdigest()
    found = folder / "bin" / "python"
    if stamp.exists() and stamp.read_text() == digest:
        return found
    venv.create(folder, with_pip=True, clear=True)
    install = [found, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*install, "--requirement", requirements],
        check=True, stdout=sys.stderr, timeout=INSTALL_TIMEOUT_SECONDS,
    )  # fmt: skip
    stamp.write_text(digest)
    return found
